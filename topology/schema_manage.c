/* schema_manage.c - rows of what stands above networks: subscriptions. */
#include "topology/schema_int.h"

static const struct word words_offer[] = {{"EnterpriseAgreement", OFFER_EA},
                                          {"MCAEnterprise", OFFER_MCA_E},
                                          {"EnterpriseDevTest", OFFER_EA_DEV_TEST},
                                          {"PayAsYouGo", OFFER_PAY_AS_YOU_GO},
                                          {"CSP", OFFER_CSP},
                                          {"MSDN", OFFER_MSDN},
                                          {"FreeTrial", OFFER_FREE_TRIAL},
                                          {"Sponsorship", OFFER_SPONSORSHIP},
                                          {"Other", OFFER_OTHER},
                                          {NULL, 0}}; /* G-15 */

const char *offer_word(enum offer o)
{
    const struct word *w = words_offer;
    while (w->word && w->value != (int)o)
        w++;
    return w->word ? w->word : "";
}

static const struct field subscription_rows[] = {
    NAME(subscription),
    F(subscription, offer, K_WORD, .required = true, .words = words_offer,
      .doc = "What it was bought as: EnterpriseAgreement and MCAEnterprise reach TCP port 25 (G-15)."),
    F(subscription, port25Exempt, K_BOOL, .def = "false",
      .doc = "Whether Microsoft has lifted the block of port 25, as for qualified EnterpriseDevTest."),
};
const struct table table_subscription = {.what = "subscription",
                                         ROWS(subscription_rows),
                                         .size = sizeof(struct subscription),
                                         .resource = true,
                                         .identity = "name"};
