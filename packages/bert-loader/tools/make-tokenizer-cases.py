"""Writes the tokenizers that test/tokenizer.test.ts tries, and what the reference makes of texts with them.

Each folder of test/fixtures/tokenizers is a small model folder: the tokenizer is trained here on the sentences below,
saved as a checkpoint has it, and then loaded from that folder by the reference, PyPI's transformers, as a user would.

    python -m venv DIR && DIR/bin/pip install transformers==5.24.0 tokenizers==0.23.3 sentencepiece protobuf
    DIR/bin/python packages/bert-loader/tools/make-tokenizer-cases.py [OUT] [RANDOM_TEXTS]

Training is not quite deterministic: pieces, and so ids, differ a little from run to run.
With RANDOM_TEXTS, that many random texts are added to each tokenizer's, more than a repository should hold;
`TOKENIZER_CASES=OUT npx ava dist/test/tokenizer.test.js` tries those.
"""

import io
import json
import shutil
import sys
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertTokenizer,
    AutoTokenizer,
    BertTokenizer,
    MPNetTokenizer,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)
from tokenizer_texts import PAIRS, SENTENCES, TEXTS, random_texts

HERE = Path(__file__).resolve().parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "test/fixtures/tokenizers"
RANDOM_TEXTS = int(sys.argv[2]) if len(sys.argv) > 2 else 0

LENGTHS = [4, 5, 8, 13]


def corpus():
    return SENTENCES * 3


def word_pieces(lowercase, special, size=420, strip=None):
    """The pieces of a WordPiece vocabulary, in order."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=size, special_tokens=special))
    pieces = [p for p, _ in sorted(t.get_vocab().items(), key=lambda x: x[1])]
    return pieces + [p for p in ("\U00020000", "##x") if p not in pieces]


def byte_pieces(special):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=480, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]


def unigram_pieces(special, lower, size=380):
    t = Tokenizer(models.Unigram())
    steps = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()] if lower else []
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), *steps])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.train_from_iterator(
        corpus(), trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>")
    )
    return [(p, round(s, 4)) for p, s in json.loads(t.to_str())["model"]["vocab"]]


def charsmap():
    """SentencePiece's table of a few rules: its own of NFKC has 300 KB."""
    rules = {
        "\t": " ",
        "\n": " ",
        "\u3000": " ",
        "\u00a0": " ",
        "\u00ad": "",
        "\u200b": "",
        "ﬁ": "fi",
        "½": "1/2",
        "…": "...",
        "㍿": "株式会社",
    }
    rules |= {
        "e\u0301": "é",
        "e\u0301\u0323": "ẹ́",
        "o\u0308": "ö",
        "\u1100\u1161\u11a8": "각",
        "ｶﾞ": "ガ",
        "ｶ": "カ",
        "①": "1",
    }
    rules |= {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}
    tsv = OUT / "rules.tsv"
    points = lambda text: " ".join(f"{ord(c):X}" for c in text)
    tsv.write_text("".join(f"{points(k)}\t{points(v)}\n" for k, v in rules.items()))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        normalization_rule_tsv=str(tsv),
        minloglevel=2,
        character_coverage=0.98,
    )
    tsv.unlink()
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def case(t, number, length=None, truncation="longest_first"):
    """What the reference makes of a text: [its number, length, how it is cut, ids, first id of type 1, cut?].

    Length is null where none is asked for, ids where it can make nothing of it, the fifth where all types are 0.
    """
    text = ALL[number]
    # transformers takes an empty second text for none; its own library, which does the work, does not
    library = getattr(t, "backend_tokenizer", t)
    encode = lambda: library.encode(*text) if isinstance(text, list) else library.encode(text)
    library.no_padding()
    library.no_truncation()
    full = e = encode()
    if length is not None:
        library.enable_truncation(length, strategy=truncation, direction=getattr(t, "truncation_side", "right"))
        try:
            e = encode()
        except BaseException:  # a panic of the library's is no Exception
            return [number, length, truncation, None, None, None]
        finally:
            library.no_truncation()
    elif isinstance(text, str) and library is not t:
        assert t(text)["input_ids"] == e.ids, text
    has_types = "token_type_ids" in getattr(t, "model_input_names", ["token_type_ids"])
    types = [0] * len(e.ids) if not has_types else e.type_ids
    first = types.index(1) if 1 in types else None
    assert types == [0] * (len(types) if first is None else first) + [1] * (
        0 if first is None else len(types) - first
    )
    return [number, length, truncation, e.ids, first, len(e.ids) < len(full.ids)]


def cases(t, few=False):
    texts = [*range(0, 4), *range(5, 11)] if few else list(range(len(TEXTS)))
    pairs = [len(TEXTS) + i for i in range(len(PAIRS))]
    out = [case(t, i) for i in texts + pairs + list(range(len(TEXTS) + len(PAIRS), len(ALL)))]
    if few:
        return out + [case(t, i, 8) for i in pairs[:4]]
    out += [case(t, 3, n) for n in LENGTHS]
    out += [case(t, i, n) for i in pairs for n in LENGTHS]
    out += [case(t, i, n, s) for i in pairs[:4] for n in (7, 12) for s in ("only_first", "only_second")]
    return out


WRITTEN = []
ALL = TEXTS + PAIRS + random_texts(RANDOM_TEXTS, 1)


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write(name, files):
    (OUT / name).mkdir(exist_ok=True)
    for file, content in files.items():
        (OUT / name / file).write_text(content if isinstance(content, str) else dump(content))


def write_cases(name, made):
    (OUT / name / "cases.json").write_text("[\n" + ",\n".join(map(dump, made)) + "\n]\n")
    WRITTEN.append(name)
    print(name, sum(f.stat().st_size for f in (OUT / name).iterdir()), "bytes")


def folder(name, files, few=False, **kw):
    """Writes a folder, and what the reference's AutoTokenizer makes of texts with it."""
    write(name, files)
    write_cases(name, cases(AutoTokenizer.from_pretrained(OUT / name, **kw), few))


def saved(t, model_type):
    """The files that save_pretrained writes, tokenizer.json without its blanks."""
    tmp = OUT / "saved"
    t.save_pretrained(tmp)
    files = {f.name: json.loads(f.read_text()) for f in tmp.iterdir() if f.suffix == ".json"}
    shutil.rmtree(tmp)
    return files | {"config.json": {"model_type": model_type}}


def config(model_type, **fields):
    return {"config.json": {"model_type": model_type}, "tokenizer_config.json": fields}


def lines(pieces):
    return "".join(p + "\n" for p in pieces)


def classes():
    """What the reference takes characters for, as ranges of code points: first and length, by turns."""
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

    def ranges(test):
        out = []
        for c in points:
            if test(c):
                if out and out[-2] + out[-1] == c:
                    out[-1] += 1
                else:
                    out += [c, 1]
        return out

    def bert(**kw):
        flags = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
        return normalizers.BertNormalizer(**(flags | kw))

    def removes(n):
        return lambda c: n.normalize_str(f"a{chr(c)}b") == "ab"

    def changes(n):
        return lambda c: n.normalize_str(chr(c)) != chr(c)

    words, bytes_ = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    return {
        "control": ranges(removes(bert(clean_text=True))),
        "chinese": ranges(changes(bert(handle_chinese_chars=True))),
        "nonspacing": ranges(removes(bert(strip_accents=True))),
        "mark": ranges(removes(normalizers.StripAccents())),
        "punctuation": ranges(lambda c: len(words.pre_tokenize_str(f"a{chr(c)}b")) == 3),
        "blank": ranges(lambda c: [w for w, _ in words.pre_tokenize_str(f"a{chr(c)}b")] == ["a", "b"]),
        "letter": ranges(lambda c: len(bytes_.pre_tokenize_str(f"a{chr(c)}b")) == 1),
        "number": ranges(lambda c: len(bytes_.pre_tokenize_str(f"1{chr(c)}1")) == 1),
        "word": ranges(lambda c: len(pre_tokenizers.Whitespace().pre_tokenize_str(f"a{chr(c)}b")) == 1),
        "lower": ranges(changes(bert(lowercase=True))),
        "nfd": ranges(changes(normalizers.NFD())),
        "nfkc": ranges(changes(normalizers.NFKC())),
    }


def main():
    if OUT.exists():
        shutil.rmtree(OUT)
    OUT.mkdir(parents=True)
    if not RANDOM_TEXTS:
        (OUT / "classes.json").write_text(dump(classes()) + "\n")

    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    uncased, cased = word_pieces(True, bert), word_pieces(False, bert)
    ids = lambda pieces: {p: i for i, p in enumerate(pieces)}

    folder("bert-saved", saved(BertTokenizer(vocab=ids(uncased)), "bert"))
    # The vocabulary alone: uncased is what the reference takes it for; that it is not, the vocabulary shows
    folder("bert-vocab-uncased", {"vocab.txt": lines(uncased), "config.json": {"model_type": "bert"}}, few=True)
    folder(
        "bert-vocab-cased", {"vocab.txt": lines(cased), "config.json": {"model_type": "bert"}}, do_lower_case=False
    )
    # What tokenizer_config.json says counts more than the defaults, and than tokenizer.json
    accents = word_pieces(True, bert, strip=False)
    folder(
        "bert-accents",
        {"vocab.txt": lines(accents)}
        | config(
            "electra",
            do_lower_case=True,
            strip_accents=False,
            tokenize_chinese_chars=False,
            tokenizer_class="ElectraTokenizer",
        ),
    )
    files = saved(BertTokenizer(vocab=ids(cased)), "mobilebert")
    files["tokenizer_config.json"] = {
        "tokenizer_class": "MobileBertTokenizer",
        "do_lower_case": False,
        "strip_accents": True,
        "additional_special_tokens": ["special_one"],
        "model_max_length": 1000000000000000019884624838656,
        "truncation_side": "left",
    }
    files["tokenizer.json"] |= {
        "truncation": {"max_length": 9, "stride": 0, "strategy": "LongestFirst", "direction": "Left"},
        "padding": {
            "strategy": {"Fixed": 16},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    }
    folder("mobilebert-overridden", files)
    # Tokens of the folder's own
    mask = {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    files = config("distilbert", tokenizer_class="DistilBertTokenizer", do_lower_case=True, model_max_length=64) | {
        "vocab.txt": lines(uncased + ["newtoken"]),
        "added_tokens.json": {"newtoken": len(uncased), "unheard": len(uncased) + 1},
        "special_tokens_map.json": {"mask_token": mask, "additional_special_tokens": ["special_one"]},
    }
    folder("distilbert-tokens", files)
    mpnet = word_pieces(True, ["<s>", "<pad>", "</s>", "[UNK]"]) + ["<mask>", "<unk>"]
    folder("mpnet-saved", saved(MPNetTokenizer(vocab=ids(mpnet)), "mpnet"))
    folder(
        "mpnet-vocab", {"vocab.txt": lines(mpnet)} | config("mpnet", do_lower_case=True, strip_accents=None), few=True
    )

    vocab, merges = byte_pieces(["<s>", "<pad>", "</s>", "<unk>"])
    vocab["<mask>"] = len(vocab)
    mask = AddedToken("<mask>", lstrip=True)
    folder("roberta-saved", saved(RobertaTokenizer(vocab=vocab, merges=merges, mask_token=mask), "roberta"))
    text = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    folder(
        "roberta-merges",
        {"vocab.json": vocab, "merges.txt": text} | config("roberta", add_prefix_space=True),
        few=True,
    )

    table = charsmap()
    pieces = unigram_pieces(["<s>", "<pad>", "</s>", "<unk>"], False)
    pieces.append(("<mask>", 0.0))
    xlmr = XLMRobertaTokenizer(vocab=pieces, _spm_precompiled_charsmap=table, mask_token=mask)
    folder("xlmr-saved", saved(xlmr, "xlm-roberta"))
    # As files were written by older versions: no split, a Replace after the table, a prefix by its old name
    files = saved(xlmr, "xlm-roberta")
    blanks = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    files["tokenizer.json"]["normalizer"] = {
        "type": "Sequence",
        "normalizers": [files["tokenizer.json"]["normalizer"], blanks, strip],
    }
    files["tokenizer.json"]["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    files["tokenizer_config.json"] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    folder("xlmr-generic", files, few=True)
    pieces = unigram_pieces(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], True)
    mask = AddedToken("[MASK]", lstrip=True)
    folder(
        "albert-saved",
        saved(AlbertTokenizer(vocab=pieces, _spm_precompiled_charsmap=table, mask_token=mask), "albert"),
    )
    files = saved(AlbertTokenizer(vocab=pieces), "albert")
    files["tokenizer_config.json"] |= {"do_lower_case": False, "keep_accents": True}
    folder("albert-cased", files, few=True)

    # Tokenizers of no class: single words, blanks on both sides, tokens of the normalized text
    t = Tokenizer(models.WordPiece(ids(uncased), unk_token="[UNK]"))
    digits = normalizers.Replace(Regex("[0-9]+"), "$0")
    t.normalizer = normalizers.Sequence(
        [normalizers.NFD(), digits, normalizers.Lowercase(), normalizers.StripAccents()]
    )
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_special_tokens(bert)
    single = AddedToken("newtoken", single_word=True, normalized=True)
    greedy = AddedToken("special_one", rstrip=True, lstrip=True, normalized=False)
    t.add_tokens([single, greedy, AddedToken("special"), AddedToken("Σ"), AddedToken("a-b/c(d)")])
    generic = config("bert", tokenizer_class="TokenizersBackend")
    write("generic-tokens", generic | {"tokenizer.json": json.loads(t.to_str())})
    write_cases("generic-tokens", cases(t))
    # Words as a tokenizer trained from nothing often has them
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation()]
    )
    t.normalizer = normalizers.Lowercase()
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    write("generic-words", generic | {"tokenizer.json": json.loads(t.to_str())})
    write_cases("generic-words", cases(t))
    (OUT / "texts.json").write_text("[\n" + ",\n".join(map(json.dumps, ALL)) + "\n]\n")
    (OUT / "folders.json").write_text(dump(sorted(WRITTEN)) + "\n")
    print(sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")


main()
