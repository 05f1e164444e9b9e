#!/bin/bash
# The truth table of private endpoints and user routes is the golden one, whole: 26 rows, four policies, twice.
set -u
bin=$1
golden=tests/golden/endpoint-policy-table.txt
got=$(bash tests/endpoint_policy_table.sh "$bin") || echo "not ok the truth table is printed"
if diff $golden <(echo "$got"); then
    echo "ok the truth table of endpoint policies is the golden one"
else
    echo "not ok the truth table of endpoint policies is the golden one"
fi
# Every cell is there, none is empty, and every outcome occurs.
cells=$(grep -oE '(Active|Invalid): [A-Za-z]+' $golden | wc -l)
kinds=$(grep -oE '(Active|Invalid): [A-Za-z]+' $golden | sort -u | tr '\n' ',')
want='Active: endpoint,Invalid: EndpointRouteInvalid,Invalid: RouteNone,Invalid: Unroutable,Invalid: appliance,'
want+='Invalid: endpoint,Invalid: gateway,'
if [ "$cells" = 208 ] && [ "$kinds" = "$want" ]; then
    echo "ok it has 208 cells of seven kinds"
else
    echo "not ok it has 208 cells of seven kinds, but $cells: $kinds"
fi
