"""What make-tokenizer-cases.py trains tokenizers on, and what it tries them with."""

import random

# What the tokenizers are trained on
SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and nobody was surprised by it.",
    "A warm, funny and beautifully acted film; the second half drags a little.",
    "She said: \"It's not what you'd expect, but we'll see - won't we?\"",
    "In 2024 there were 1,234,567 visitors (3.5% more than the year before).",
    "Le café était fermé, mais la crêperie naïve d’à côté vendait des gâteaux.",
    "Größere Städte wie Köln und Zürich müssen über Brücken und Straßen nachdenken.",
    "Ο Οδυσσέας έφτασε στην Ιθάκη και ο σκύλος του τον αναγνώρισε αμέσως.",
    "ΟΔΟΣ ΟΔΥΣΣΕΩΣ, ΑΘΗΝΑ",
    "Москва слезам не верит, ёлка стоит в углу.",
    "東京は日本の首都です。北京是中国的首都。서울은 한국의 수도이다.",
    "من السهل أن نقول ذلك. שלום עולם. नमस्ते दुनिया। สวัสดีชาวโลก",
    "İstanbul'da ılık bir akşam; IĞDIR çok uzak.",
    "Việt Nam có nhiều phở ngon ở Hà Nội và Sài Gòn.",
    "Emoji like 😀 and 🎉 or 👍 appear in reviews, so do prices: €5, £3, $2.50.",
    "McDonald and O'Brien met in New York City on Monday at NASA with IBM and the UN.",
]

# Texts to try, a kind of trouble each
TEXTS = [
    "",
    " ",
    "a",
    "The quick brown fox jumps over the lazy dog.",
    "A WARM, Funny film!!! It's 50% better... isn't it?",
    "Café crème, naïve façade, Ångström, Łódź, piñata, Ægir",
    "Cafe\u0301 cre\u0300me, decomposed: e\u0301\u0323 o\u0308",
    "ΟΔΟΣ ΟΔΥΣΣΕΩΣ Σ Σ. ΑΣ’Σ ὈΔΥΣΣΕΎΣ τελος",
    "İstanbul IĞDIR ı İ STRASSE Straße ẞ Ǆ ǅ",
    "東京は日本の首都です。北京是中国的首都。",
    "汉字\U00020000\U00020001x\U0002a700\U0002b740\U0002b820\U0002f800\U00030000 end",
    "서울은 한국의 수도이다 각\u1100\u1161\u11a8",
    "Emoji 😀🎉👍🏽 👨‍👩‍👧 🇫🇷 ❤️ end",
    "ctrl\x00\x01\x07\x08\x0b\x0c\x1b\x7f\x85\x9f zero\u200bwidth\u200d soft\u00adhyphen \ufeffbom \u2060 \ufffd",
    "tabs\tand\nnew\r\nlines  two   three \u00a0nbsp \u3000ideographic \u2028ls \u2029ps",
    "   leading and trailing   ",
    " one leading",
    "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + " y",
    "supercalifragilisticexpialidocious" * 3,
    "[CLS] some [MASK] text [SEP] [UNK] [PAD] [mask] [ MASK ]",
    "<s> some <mask> text </s><unk><pad> <mask>\n<mask>  x <MASK>",
    "a[MASK]b <mask>c[SEP][SEP]",
    "don't you'll I'd we've they're I'm she's DON'T 'quoted' ''double'' ``back``",
    "1,234.56 ½ ² Ⅷ ٣ ४ ① １２３",
    "ﬁligature ＦＵＬＬ width ｶﾞ ㍿ ㋿ ℌ ﷺ ª",
    "price: €5 £3 ¥7 ₿ $x ^ ` ~ | + = < >",
    "“quotes” ‘single’ – — … ¿qué? ¡no! 、。「」 ؟ ।",
    "नमस्ते दुनिया สวัสดีชาวโลก שָׁלוֹם من السهل",
    "new marks: \u07fd \u09fe\u08ca \U0001e944 \u1734 \u1cf2 \u061d\u2e43 \u166d \u32ff \ua7f2",
    "▁low ▁▁two _under_ a▁b",
    "private \ue000 \U000f0000 unassigned \u0378 \U0001fae9",
    "http://example.com/a_b-c?d=e&f=%20#g user@example.com",
    "newtoken NEWTOKEN xnewtokenx newtoken, special_one  special_one! a-b/c(d)",
    "word " * 40,
]

# Pairs to try
PAIRS = [
    ["a question", "its context"],
    ["The quick brown fox jumps over the lazy dog.", "A film."],
    ["A film.", "The quick brown fox jumps over the lazy dog."],
    ["one two three four five six", "seven eight nine ten eleven twelve"],
    ["", "second only"],
    ["first only", ""],
    ["", ""],
    [" Σ東京", "ΑΣ \U00020000 café"],
    ["word " * 12, "other " * 11],
]


def random_texts(n, seed):
    rng = random.Random(seed)
    words = " ".join(SENTENCES).split()
    pools = [
        range(0x20, 0x7F),
        range(0, 0x100),
        range(0x300, 0x600),
        range(0x900, 0xA00),
        range(0x1E00, 0x2100),
        range(0x3000, 0x3400),
        range(0x4E00, 0x4E40),
        range(0x1F300, 0x1F700),
        range(0x20000, 0x20010),
        range(0xAC00, 0xAC40),
        range(0xFB00, 0xFF80),
        range(0x1100, 0x1200),
    ]
    special = ["[MASK]", "<mask>", "[SEP]", "</s>", "newtoken", "  ", "\n", "Σ", "\u0301", "\u200d"]

    def part():
        k = rng.random()
        if k < 0.5:
            return rng.choice(words)
        if k < 0.65:
            return rng.choice(special)
        if k < 0.9:
            pool = rng.choice(pools)
            return "".join(chr(rng.choice(pool)) for _ in range(rng.randint(1, 4)))
        c = rng.randrange(0x110000)
        return "x" if 0xD800 <= c < 0xE000 else chr(c)

    return ["".join(part() + rng.choice(["", " "]) for _ in range(rng.randint(1, 12))) for _ in range(n)]
