// The grammar of the generated marketplace's promotion copy; see synth_copy_words.h.
#include "synth/synth_copy_words.h"

const char *const copy_style_names[COPY_STYLES] = {"plain", "price", "urgency", "story"};
const char *const copy_type_names[COPY_TYPES] = {"discount", "coupon", "flash_sale",
                                                 "gift",     "bundle", "free_shipping"};
const char *const copy_goal_names[COPY_GOALS] = {"sales",    "new_users", "clear_stock",
                                                 "win_back", "launch",    "loyalty"};
const char *const copy_market_names[COPY_MARKETS] = {"cn", "us", "gb", "eu"};

const char *const copy_markers[COPY_STYLES] = {
    "details on the product page/详情见商品页|just as described/与页面描述一致|shown as it is/如实展示",
    "look at the price first/先看价格|easy on the wallet/钱包更轻松|good value counts/划算才是硬道理",
    "hurry/抓紧时间|do not wait/别再犹豫|going fast/手慢无",
    "made with care/用心制作|a small joy for your day/给日子添点小欢喜|something to keep/值得长久相伴"};

const char *const copy_patterns[COPY_STYLES] = {
    "%I: %O. %G. %M./%I：%O。%G，%M。|%G: %I, %O. %M./%G：%I，%O。%M。|%I, %O. %M, %G./%I，%O，%G。%M。",
    "%M: %O. %I, %G./%M：%O。%I，%G。|%O! %M: %I. %G./%O！%M：%I。%G。|%O, %M. %I, %G./%O，%M。%I，%G。",
    "%M! %I: %O. %G./%M！%I：%O。%G。|%M: %G, %O. %I!/%M：%G，%O。%I！|%I: %O, %M! %G./%I：%O，%M！%G。",
    ("%N. %M: %I. %G, %O./%N。%M：%I。%G，%O。|%I: %N, %M. %G, %O./%I：%N，%M。%G，%O。|"
     "%M: %I. %N. %O, %G./%M：%I。%N。%O，%G。")};

const char *const copy_goals[COPY_GOALS] = {"from our shop/本店优惠|an offer for you/给你的优惠",
                                            "for new customers/新客专享|welcome to our shop/欢迎新朋友",
                                            "while stock lasts/售完为止|making room for new goods/换季清仓",
                                            "good to see you again/好久不见|it has been a while/欢迎回来",
                                            "just arrived/新品上架|new in our shop/上新",
                                            "for our regulars/老客专享|thank you for coming back/感谢常来"};

const char *const copy_offers[COPY_TYPES] = {
    "<percent>, now <price>/<percent>，现价<price>|now <price>, that is <percent>/现价<price>，<percent>",
    ("<amount> off orders over <threshold>/满<threshold>减<amount>|"
     "over <threshold> you save <amount>/满<threshold>立减<amount>"),
    "<price> until <date>/<price>，到<date>为止|only <price>, ends <date>/限时价<price>，<date>结束",
    "a gift with your order/下单送礼|with a present from us/附赠好礼",
    "<percent> together with our %C/与%C同购<percent>|add our %C and get <percent>/搭配%C，享<percent>",
    "free delivery over <threshold>/满<threshold>包邮|orders over <threshold> ship free/满<threshold>免运费"};

const char *const copy_offer_with_code =
    "<amount> off orders over <threshold> with <code>/用<code>满<threshold>减<amount>|"
    "code <code>: <amount> off over <threshold>/券码<code>：满<threshold>减<amount>";
const char *const copy_gift_with_date = "a gift with your order until <date>/<date>前下单送礼|until <date> "
                                        "with a present from us/到<date>附赠好礼";

const char *const copy_looks[] = {"quiet lines that fit anywhere/线条干净，耐看不腻",
                                  "it gets better with the years/越用越有味道",
                                  "it keeps up with you/跟得上你的节奏",
                                  "soft colours that make people smile/配色柔和，让人心情变好",
                                  "details that bear a close look/细节经得起细看",
                                  "patterns from old paintings/纹样取自古画"};
