// The table of numerals, measures and units; see promo_quantity.h. Each list is in the order of its bytes, which a test checks.
#include "format/promo_quantity.h"

// clang-format off
#define WORD(text)           {text, 0, UNIT_OTHER}
#define NUMERAL(text, value) {text, value, UNIT_OTHER}
#define UNIT(text, unit)     {text, 0, UNIT_##unit}
#define HALF(text)           {text, 5, UNIT_FOLD}

static const quantity_word zh_numerals[] = {
    NUMERAL("〇", 0), NUMERAL("一", 1), NUMERAL("七", 7), NUMERAL("万", 10000), NUMERAL("三", 3),
    NUMERAL("两", 2), NUMERAL("九", 9), NUMERAL("二", 2), NUMERAL("五", 5), NUMERAL("亿", 100000000),
    NUMERAL("仟", 1000), NUMERAL("伍", 5), NUMERAL("佰", 100), NUMERAL("億", 100000000), NUMERAL("兩", 2),
    NUMERAL("八", 8), NUMERAL("六", 6), NUMERAL("十", 10), NUMERAL("千", 1000), NUMERAL("卅", 30),
    NUMERAL("半", 0.5), NUMERAL("叁", 3), NUMERAL("參", 3), NUMERAL("叄", 3), NUMERAL("四", 4),
    NUMERAL("壹", 1), NUMERAL("廿", 20), NUMERAL("拾", 10), NUMERAL("捌", 8), NUMERAL("柒", 7),
    NUMERAL("玖", 9), NUMERAL("百", 100), NUMERAL("肆", 4), NUMERAL("萬", 10000), NUMERAL("貳", 2),
    NUMERAL("贰", 2), NUMERAL("陆", 6), NUMERAL("陸", 6), NUMERAL("零", 0),
};

static const quantity_word zh_inner[] = {
    WORD("余"), WORD("來"), WORD("几"), WORD("多"), WORD("幾"), WORD("数"), WORD("數"), WORD("来"),
    WORD("点"), WORD("餘"), WORD("點"),
};

static const quantity_word zh_measures[] = {
    WORD("世紀"), WORD("世纪"), WORD("两"), WORD("个"), WORD("串"), WORD("人"), UNIT("人民币", CNY),
    UNIT("人民幣", CNY), WORD("件"), WORD("份"), WORD("位"), WORD("個"), WORD("倍"), UNIT("元", CNY),
    WORD("克"), WORD("兩"), WORD("公分"), WORD("公斤"), WORD("公里"), UNIT("円", JPY), WORD("冊"),
    WORD("册"), WORD("分之"), WORD("分鐘"), WORD("分钟"), WORD("分钱"), WORD("刻鐘"), WORD("刻钟"),
    WORD("副"), WORD("包"), WORD("匹"), WORD("千克"), WORD("千米"), WORD("升"), WORD("卷"), WORD("厘米"),
    WORD("双"), WORD("只"), WORD("台"), WORD("台币"), WORD("台幣"), WORD("号"), WORD("合一"), WORD("名"),
    WORD("吨"), WORD("周"), WORD("噸"), UNIT("圆", CNY), UNIT("圓", CNY), UNIT("块", CNY),
    UNIT("块钱", CNY), UNIT("塊", CNY), UNIT("塊錢", CNY), WORD("天"), WORD("头"), WORD("套"), WORD("家"),
    WORD("寸"), WORD("对"), WORD("對"), WORD("小时"), WORD("小時"), WORD("尺"), WORD("层"), WORD("層"),
    WORD("岁"), WORD("幅"), WORD("平方"), WORD("平米"), WORD("年"), WORD("床"), WORD("度"), WORD("座"),
    WORD("张"), WORD("張"), WORD("成"), WORD("扇"), WORD("把"), UNIT("折", FOLD), WORD("抽"), WORD("捆"),
    WORD("排"), WORD("支"), WORD("斤"), WORD("日"), UNIT("日元", JPY), UNIT("日圆", JPY), UNIT("日圓", JPY),
    WORD("星"), WORD("星期"), WORD("晚"), WORD("月"), WORD("期"), WORD("本"), WORD("朵"), WORD("束"),
    WORD("条"), WORD("杯"), WORD("枚"), WORD("枝"), WORD("株"), WORD("根"), WORD("档"), WORD("桶"),
    WORD("條"), WORD("棵"), WORD("檔"), WORD("次"), UNIT("欧元", EUR), WORD("款"), UNIT("歐元", EUR),
    WORD("歲"), WORD("毛"), WORD("毛钱"), WORD("毫克"), WORD("毫升"), WORD("毫米"), WORD("港元"),
    WORD("港币"), WORD("港幣"), WORD("滴"), WORD("点钟"), WORD("片"), WORD("瓶"), WORD("百分点"),
    WORD("盆"), WORD("盏"), WORD("盒"), WORD("盘"), WORD("盞"), WORD("盤"), WORD("碗"), WORD("礼拜"),
    WORD("禮拜"), WORD("种"), WORD("秒"), WORD("種"), WORD("箇"), WORD("箱"), WORD("節"), WORD("米"),
    WORD("粒"), WORD("級"), WORD("組"), WORD("级"), WORD("组"), WORD("罐"), UNIT("美元", USD),
    UNIT("美金", USD), WORD("臺"), WORD("色"), WORD("节"), WORD("英寸"), WORD("英尺"), UNIT("英鎊", GBP),
    UNIT("英镑", GBP), WORD("號"), WORD("袋"), WORD("角钱"), WORD("輛"), WORD("辆"), WORD("週"), WORD("遍"),
    WORD("道"), WORD("部"), WORD("重"), WORD("釐米"), WORD("鐘頭"), WORD("钟头"), WORD("門"), WORD("間"),
    WORD("门"), WORD("间"), WORD("隻"), WORD("雙"), WORD("頂"), WORD("項"), WORD("頭"), WORD("顆"),
    WORD("顶"), WORD("项"), WORD("颗"), WORD("點鐘"),
};

static const quantity_word zh_no_measures[] = {
    WORD("个人"), WORD("个性"), WORD("人气"), WORD("份额"), WORD("位于"), WORD("倍感"), WORD("包换"), WORD("包退"),
    WORD("包邮"), WORD("包郵"), WORD("双11"), WORD("双12"), WORD("双倍"), WORD("双十"), WORD("只要"), WORD("只限"),
    WORD("只需"), WORD("名牌"), WORD("周年"), WORD("周末"), WORD("天天"), WORD("天然"), WORD("天猫"), WORD("天貓"),
    WORD("套装"), WORD("家居"), WORD("家用"), WORD("家电"), WORD("对折"), WORD("层次"), WORD("年终"), WORD("年货"),
    WORD("度假"), WORD("成为"), WORD("日常"), WORD("月底"), WORD("期间"), WORD("本周"), WORD("本品"), WORD("本店"),
    WORD("本日"), WORD("本月"), WORD("本次"), WORD("条件"), WORD("次日"), WORD("种草"), WORD("秒发"), WORD("秒抢"),
    WORD("秒杀"), WORD("秒殺"), WORD("节日"), WORD("重磅"), WORD("门店"), WORD("雙倍"),
};

static const quantity_word zh_leads[] = {
    WORD("买"), WORD("仅售"), WORD("仅需"), WORD("低至"), WORD("僅售"), WORD("僅需"), WORD("免"),
    WORD("再降"), WORD("减"), WORD("原价"), WORD("原價"), WORD("只卖"), WORD("只要"), WORD("只賣"),
    WORD("只需"), WORD("售价"), WORD("售價"), WORD("抵"), WORD("減"), WORD("满"), WORD("滿"), WORD("特价"),
    WORD("特價"), WORD("现价"), WORD("現價"), WORD("直降"), WORD("省"), WORD("買"), WORD("贈"), WORD("赠"),
    WORD("返"), WORD("送"),
};

static const quantity_word zh_wholes[] = {
    WORD("买一"), WORD("减半"), WORD("加倍"), HALF("半价"), HALF("半價"), WORD("双倍"), WORD("成倍"),
    HALF("打对折"), HALF("打對折"), WORD("拍一"), WORD("減半"), WORD("百分百"), WORD("翻倍"), WORD("翻番"),
    WORD("買一"), WORD("贈一"), WORD("赠一"), WORD("送一"), WORD("雙倍"),
};

static const quantity_word signs[] = {
    UNIT("$", USD), UNIT("cny", CNY), UNIT("eur", EUR), UNIT("gbp", GBP), WORD("hk$"), UNIT("jpy", JPY),
    UNIT("rmb", CNY), UNIT("us$", USD), UNIT("usd", USD), UNIT("£", GBP), UNIT("¥", YEN_SIGN), WORD("₩"),
    UNIT("€", EUR), WORD("₹"), WORD("₽"),
};

static const quantity_word en_numerals[] = {
    NUMERAL("billion", 1000000000), NUMERAL("double", 2), NUMERAL("dozen", 12), NUMERAL("eight", 8),
    NUMERAL("eighteen", 18), NUMERAL("eighty", 80), NUMERAL("eleven", 11), NUMERAL("fifteen", 15),
    NUMERAL("fifty", 50), NUMERAL("five", 5), NUMERAL("forty", 40), NUMERAL("four", 4),
    NUMERAL("fourteen", 14), NUMERAL("fourty", 40), NUMERAL("half", 0.5), NUMERAL("hundred", 100),
    NUMERAL("million", 1000000), NUMERAL("nine", 9), NUMERAL("nineteen", 19), NUMERAL("ninety", 90),
    NUMERAL("one", 1), NUMERAL("quadruple", 4), NUMERAL("quarter", 0.25), NUMERAL("seven", 7),
    NUMERAL("seventeen", 17), NUMERAL("seventy", 70), NUMERAL("six", 6), NUMERAL("sixteen", 16),
    NUMERAL("sixty", 60), NUMERAL("ten", 10), NUMERAL("tens", 10), NUMERAL("thirteen", 13), NUMERAL("thirty", 30),
    NUMERAL("thousand", 1000), NUMERAL("three", 3), NUMERAL("thrice", 3),
    NUMERAL("trillion", 1000000000000), NUMERAL("triple", 3), NUMERAL("twelve", 12),
    NUMERAL("twenty", 20), NUMERAL("twice", 2), NUMERAL("two", 2), NUMERAL("zero", 0),
};

static const quantity_word en_joins[] = {
    WORD("a"), WORD("an"), WORD("and"), WORD("or"), WORD("to"),
};

static const quantity_word en_fillers[] = {
    WORD("bonus"), WORD("business"), WORD("calendar"), WORD("easy"), WORD("extra"), WORD("free"),
    WORD("full"), WORD("more"), WORD("whole"), WORD("working"),
};

static const quantity_word en_units[] = {
    WORD("bag"), WORD("bags"), WORD("bar"), WORD("bars"), WORD("bottle"), WORD("bottles"), WORD("box"),
    WORD("boxes"), UNIT("buck", USD), UNIT("bucks", USD), WORD("cans"), WORD("capsule"), WORD("capsules"),
    WORD("carton"), WORD("cartons"), WORD("case"), WORD("cases"), WORD("cent"), WORD("centimeter"),
    WORD("centimeters"), WORD("centimetre"), WORD("centimetres"), WORD("cents"), WORD("children"),
    WORD("cm"), UNIT("cny", CNY), WORD("color"), WORD("colors"), WORD("colour"), WORD("colours"),
    WORD("coupon"), WORD("coupons"), WORD("cup"), WORD("cups"), WORD("customer"), WORD("customers"),
    WORD("day"), WORD("days"), WORD("degree"), WORD("degrees"), UNIT("dollar", USD), UNIT("dollars", USD),
    WORD("eighth"), WORD("eighths"), UNIT("eur", EUR), UNIT("euro", EUR), UNIT("euros", EUR), WORD("feet"),
    WORD("fifth"), WORD("fifths"), WORD("fold"), WORD("foot"), WORD("fourth"), WORD("fourths"), WORD("g"),
    WORD("gallon"), WORD("gallons"), UNIT("gbp", GBP), WORD("gift"), WORD("gifts"), WORD("gram"),
    WORD("grams"), WORD("halves"), WORD("hour"), WORD("hours"), WORD("hr"), WORD("hrs"), WORD("hundredth"),
    WORD("in one"), WORD("inch"), WORD("inches"), WORD("item"), WORD("items"), WORD("jar"), WORD("jars"),
    UNIT("jpy", JPY), WORD("kg"), WORD("kids"), WORD("kilo"), WORD("kilogram"), WORD("kilograms"),
    WORD("kilos"), WORD("km"), WORD("layer"), WORD("layers"), WORD("lb"), WORD("lbs"), WORD("liter"),
    WORD("liters"), WORD("litre"), WORD("litres"), WORD("meter"), WORD("meters"), WORD("metre"),
    WORD("metres"), WORD("mile"), WORD("miles"), WORD("milliliter"), WORD("milliliters"),
    WORD("millilitre"), WORD("millilitres"), WORD("min"), WORD("mins"), WORD("minute"), WORD("minutes"),
    WORD("ml"), WORD("mm"), WORD("model"), WORD("models"), WORD("month"), WORD("months"), WORD("night"),
    WORD("nights"), WORD("ninth"), WORD("ninths"), UNIT("off", OFF), WORD("order"), WORD("orders"),
    WORD("ounce"), WORD("ounces"), WORD("oz"), WORD("pack"), WORD("packet"), WORD("packets"), WORD("packs"),
    WORD("pair"), WORD("pairs"), WORD("pc"), WORD("pcs"), UNIT("pct", PERCENT), WORD("pence"),
    WORD("penny"), WORD("people"), UNIT("per cent", PERCENT), UNIT("percent", PERCENT), WORD("percentage"),
    WORD("person"), WORD("persons"), WORD("piece"), WORD("pieces"), WORD("pill"), WORD("pills"),
    WORD("ply"), WORD("point"), WORD("points"), UNIT("pound", GBP), UNIT("pounds", GBP), WORD("product"),
    WORD("products"), WORD("purchase"), WORD("purchases"), WORD("quarters"), UNIT("quid", GBP),
    UNIT("renminbi", CNY), WORD("review"), WORD("reviews"), UNIT("rmb", CNY), WORD("roll"), WORD("rolls"),
    WORD("sample"), WORD("samples"), WORD("sec"), WORD("second"), WORD("seconds"), WORD("secs"),
    WORD("serving"), WORD("servings"), WORD("set"), WORD("sets"), WORD("seventh"), WORD("sevenths"),
    WORD("sheet"), WORD("sheets"), WORD("shop"), WORD("shops"), WORD("sixth"), WORD("sixths"), WORD("size"),
    WORD("sizes"), WORD("slice"), WORD("slices"), WORD("star"), WORD("stars"), WORD("store"),
    WORD("stores"), WORD("style"), WORD("styles"), WORD("tablet"), WORD("tablets"), WORD("tenth"),
    WORD("tenths"), WORD("third"), WORD("thirds"), WORD("ticket"), WORD("tickets"), WORD("time"),
    WORD("times"), WORD("tin"), WORD("tins"), WORD("tube"), WORD("tubes"), WORD("twentieth"), WORD("unit"),
    WORD("units"), UNIT("usd", USD), WORD("user"), WORD("users"), WORD("volt"), WORD("volts"),
    WORD("voucher"), WORD("vouchers"), WORD("watt"), WORD("watts"), WORD("week"), WORD("weekend"),
    WORD("weekends"), WORD("weeks"), WORD("yard"), WORD("yards"), WORD("year"), WORD("years"),
    UNIT("yen", JPY), UNIT("yuan", CNY),
};

static const quantity_word en_wholes[] = {
    WORD("a dozen"), WORD("billions"), WORD("bogo"), WORD("buy one"), WORD("double the"),
    WORD("double your"), WORD("dozens"), WORD("fivefold"), WORD("fourfold"), WORD("get one"),
    HALF("half price"), WORD("half the"), WORD("half your"), WORD("hundreds"), WORD("millions"),
    WORD("tenfold"), WORD("thousands"), WORD("three for the"), WORD("three for two"), WORD("threefold"),
    WORD("triple the"), WORD("triple your"), WORD("twice as"), WORD("twice the"), WORD("twice your"),
    WORD("two for one"), WORD("two for the"), WORD("twofold"),
};
// clang-format on

static const struct {
  const quantity_word *words;
  size_t n;
} lists[QUANTITY_CLASSES] = {
#define LIST(name) \
  { name, sizeof name / sizeof *name }
    [ZH_NUMERAL] = LIST(zh_numerals),
    [ZH_INNER] = LIST(zh_inner),
    [ZH_MEASURE] = LIST(zh_measures),
    [ZH_NO_MEASURE] = LIST(zh_no_measures),
    [ZH_LEAD] = LIST(zh_leads),
    [ZH_WHOLE] = LIST(zh_wholes),
    [SIGN] = LIST(signs),
    [EN_NUMBER] = LIST(en_numerals),
    [EN_JOIN] = LIST(en_joins),
    [EN_FILLER] = LIST(en_fillers),
    [EN_UNIT] = LIST(en_units),
    [EN_WHOLE] = LIST(en_wholes),
#undef LIST
};

const quantity_word *quantity_words(quantity_class c, size_t *n) {
  *n = lists[c].n;
  return lists[c].words;
}

// Digits of the scripts of the Basic Multilingual Plane, superscripts, fractions, Roman numerals, numbers in circles and brackets,
// Suzhou numerals, and the digits of mathematics.
static const quantity_range digits[] = {
    {'0', '9'},         {0xB2, 0xB3},       {0xB9, 0xB9},     {0xBC, 0xBE},     {0x660, 0x669},
    {0x6F0, 0x6F9},     {0x7C0, 0x7C9},     {0x966, 0x96F},   {0x9E6, 0x9EF},   {0xA66, 0xA6F},
    {0xAE6, 0xAEF},     {0xB66, 0xB6F},     {0xBE6, 0xBEF},   {0xC66, 0xC6F},   {0xCE6, 0xCEF},
    {0xD66, 0xD6F},     {0xDE6, 0xDEF},     {0xE50, 0xE59},   {0xED0, 0xED9},   {0xF20, 0xF33},
    {0x1040, 0x1049},   {0x1090, 0x1099},   {0x17E0, 0x17E9}, {0x1810, 0x1819}, {0x1946, 0x194F},
    {0x19D0, 0x19DA},   {0x1A80, 0x1A99},   {0x1B50, 0x1B59}, {0x1BB0, 0x1BB9}, {0x1C40, 0x1C59},
    {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089}, {0x2150, 0x2189}, {0x2460, 0x249B},
    {0x24EA, 0x24FF},   {0x2776, 0x2793},   {0x3021, 0x3029}, {0x3038, 0x303A}, {0x3192, 0x3195},
    {0x3220, 0x3229},   {0x3248, 0x324F},   {0x3251, 0x325F}, {0x3280, 0x3289}, {0x32B1, 0x32BF},
    {0x3358, 0x3370},   {0x33E0, 0x33FE},   {0xA620, 0xA629}, {0xA8D0, 0xA8D9}, {0xA900, 0xA909},
    {0xA9D0, 0xA9D9},   {0xA9F0, 0xA9F9},   {0xAA50, 0xAA59}, {0xABF0, 0xABF9}, {0x1D7CE, 0x1D7FF},
    {0x1F100, 0x1F10C}, {0x1FBF0, 0x1FBF9},
};

const quantity_range *quantity_digits(size_t *n) {
  *n = sizeof digits / sizeof *digits;
  return digits;
}

bool quantity_is_digit(uint32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  size_t low = 0, high = sizeof digits / sizeof *digits;
  while (low < high) { // the first range that does not end before c
    const size_t mid = (low + high) / 2;
    if (digits[mid].last < c)
      low = mid + 1;
    else
      high = mid;
  }
  return low < sizeof digits / sizeof *digits && digits[low].first <= c;
}
