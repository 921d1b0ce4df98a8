"""Writes test/fixtures/models: small checkpoints of every family and head, with what the reference makes of inputs.

The reference is PyTorch's implementation in `transformers`, and `sentence-transformers` for folders with modules.json.
Weights are random, drawn from a seed and rounded to fp16 as they are stored; outputs are computed in fp32 on these.

    python3 -m venv venv
    venv/bin/pip install torch 'numpy<2' transformers==4.46.3 sentence-transformers==3.0.1
    venv/bin/python packages/bert-loader/tools/make-model-fixtures.py

The files in the repository were written with torch 1.13.1. Another version may differ in the last digits; what torch
2.15.0, transformers 5.24.0 and sentence-transformers 6.2.0 write is read as well.
"""

import json
import shutil
from pathlib import Path

import torch
import transformers as t
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, models

OUT = Path(__file__).resolve().parent.parent / "test/fixtures/models"
VOCABULARY, POSITIONS = 48, 20
COMMON = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=POSITIONS,
)

# By family: class prefix, configuration, and the id of its padding
FAMILIES = {
    "bert": ("Bert", dict(COMMON, type_vocab_size=2), 0),
    "distilbert": (
        "DistilBert",
        dict(vocab_size=VOCABULARY, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=POSITIONS),
        0,
    ),
    "roberta": ("Roberta", dict(COMMON, type_vocab_size=1, layer_norm_eps=1e-5), 1),
    "xlm-roberta": ("XLMRoberta", dict(COMMON, type_vocab_size=1, layer_norm_eps=1e-5), 1),
    "electra": ("Electra", dict(COMMON, embedding_size=8, type_vocab_size=2), 0),
    "mpnet": ("MPNet", dict(COMMON, layer_norm_eps=1e-5), 1),
    # Three layers of two groups: two of the first
    "albert": (
        "Albert",
        dict(COMMON, num_hidden_layers=3, num_hidden_groups=2, embedding_size=8, type_vocab_size=2),
        0,
    ),
    "mobilebert": (
        "MobileBert",
        dict(COMMON, embedding_size=8, intra_bottleneck_size=8, num_feedforward_networks=3, type_vocab_size=2),
        0,
    ),
}
HEADS = {
    "model": "Model",
    "sequence": "ForSequenceClassification",
    "tokens": "ForTokenClassification",
    "answers": "ForQuestionAnswering",
    "masked": "ForMaskedLM",
}
NO_TYPES = {"distilbert", "mpnet"}


def draw(model, seed):
    """Weights of the size that training gives them: activations neither vanish nor explode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            values = torch.randn(p.shape, generator=generator)
            if name.endswith("relative_attention_bias.weight"):
                pass
            elif "embeddings.weight" in name:
                values *= 0.5
            elif p.dim() == 2:
                values /= p.shape[1] ** 0.5
            elif "norm" in name.lower() and name.endswith("weight"):
                values = 1 + 0.1 * values
            else:
                values *= 0.1
            p.copy_(values.half().float())
    return model.eval()


def inputs_for(family, padding):
    """Two texts, the second of them shorter: special tokens do not matter to random weights."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, VOCABULARY, (2, 9), generator=generator)
    mask = torch.ones_like(ids)
    types = torch.zeros_like(ids)
    if family not in NO_TYPES and FAMILIES[family][1].get("type_vocab_size", 2) > 1:
        types[:, 4:] = 1
    ids[1, 6:], mask[1, 6:], types[1, 6:] = padding, 0, 0
    return dict(input_ids=ids, attention_mask=mask, token_type_ids=types)


def given(family, inputs):
    """The inputs that the family's models take."""
    return {k: v for k, v in inputs.items() if k != "token_type_ids" or family not in NO_TYPES}


def write_tokenizer(folder, padding):
    """Words w0, w1, ...: a folder without a tokenizer is none that can be loaded."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(VOCABULARY - 5)]
    words[0], words[padding] = words[padding], words[0]
    vocabulary = {word: i for i, word in enumerate(words)}
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    special = lambda word, kind: {"SpecialToken": {"id": word, "type_id": kind}}
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    tokenizer = dict(
        version="1.0",
        truncation=None,
        padding=None,
        added_tokens=[dict(id=vocabulary[w], content=w, **flags) for w in sorted(words[:5], key=vocabulary.get)],
        normalizer=None,
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=dict(
            type="TemplateProcessing",
            single=single,
            pair=single + [text("B", 1), special("[SEP]", 1)],
            special_tokens={w: dict(id=w, ids=[vocabulary[w]], tokens=[w]) for w in ("[CLS]", "[SEP]")},
        ),
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
        model=dict(
            type="WordPiece",
            unk_token="[UNK]",
            continuing_subword_prefix="##",
            max_input_chars_per_word=100,
            vocab=vocabulary,
        ),
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, separators=(",", ":")) + "\n")


def tensor(x):
    return dict(shape=list(x.shape), data=[float(f"{v:.6g}") for v in x.detach().flatten().tolist()])


def write_expected(folder, inputs, outputs):
    record = dict(
        inputs={k: v.tolist() for k, v in inputs.items()},
        outputs={k: tensor(v) for k, v in outputs.items() if v is not None},
    )
    (folder / "expected.json").write_text(json.dumps(record) + "\n")


def to_half(folder):
    """Stores a folder's weights in fp16, which they were rounded to."""
    for file in folder.glob("*.safetensors"):
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})


def save(model, name, **how):
    folder = OUT / name
    model.save_pretrained(folder, safe_serialization=True, **how)
    to_half(folder)
    return folder


def outputs_of(model, family, inputs):
    with torch.no_grad():
        result = model(**given(family, inputs), output_hidden_states=True)
    last = result.last_hidden_state if "last_hidden_state" in result else result.hidden_states[-1]
    outputs = dict(hidden=last, pooled=result.get("pooler_output"), logits=result.get("logits"))
    if "start_logits" in result:
        outputs.update(start=result.start_logits, end=result.end_logits)
    if "prediction_logits" in result:
        outputs.update(logits=result.prediction_logits)
    return outputs


def case(name, family, suffix, seed, change=None, **how):
    prefix, settings, padding = FAMILIES[family]
    config = getattr(t, prefix + "Config")(**dict(settings, **(change or {})))
    model = draw(getattr(t, prefix + suffix)(config), seed)
    folder = save(model, name, **how)
    write_tokenizer(folder, padding)
    inputs = inputs_for(family, padding)
    write_expected(folder, inputs, outputs_of(model, family, inputs))
    return folder, model, inputs


def buckets():
    """MPNet's bucket of every distance that a model of 512 tokens meets."""
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = torch.arange(-511, 512)
    found = MPNetEncoder.relative_position_bucket(distances, num_buckets=32)
    (OUT / "mpnet-buckets.json").write_text(json.dumps(found.tolist()) + "\n")


def sentence(name, pooling, later, seed):
    """A folder of sentence-transformers."""
    encoder_folder, _, inputs = case(name + "-encoder", "bert", "Model", seed)
    tokenizer_file = str(encoder_folder / "tokenizer.json")
    t.PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, pad_token="[PAD]").save_pretrained(encoder_folder)
    generator = torch.Generator().manual_seed(seed)
    modules = [models.Transformer(str(encoder_folder)), models.Pooling(16, **pooling)]
    width = modules[1].get_sentence_embedding_dimension()
    for make in later:
        module = make(width)
        with torch.no_grad():
            for p in module.parameters():
                p.copy_((torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5).half().float())
        if hasattr(module, "get_sentence_embedding_dimension"):
            width = module.get_sentence_embedding_dimension()
        modules.append(module)
    model = SentenceTransformer(modules=modules, device="cpu").eval()
    folder = OUT / name
    model.save(str(folder), create_model_card=False)
    shutil.rmtree(encoder_folder)
    # Indented as it was saved, it is several times as long
    for extra in list(folder.glob("*token*")):
        extra.unlink()
    write_tokenizer(folder, 0)
    for at in [folder, *folder.glob("*_*/")]:
        to_half(at)
    with torch.no_grad():
        features = model({k: v.clone() for k, v in inputs.items()})
    write_expected(folder, inputs, dict(embedding=features["sentence_embedding"]))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for f, family in enumerate(FAMILIES):
        for h, (head, suffix) in enumerate(HEADS.items()):
            change = dict(num_labels=3) if head in ("sequence", "tokens") else {}
            case(f"{family}-{head}", family, suffix, 100 * f + h, change)

    # What changes a family's mathematics besides
    case("bert-gelu-new", "bert", "Model", 1000, dict(hidden_act="gelu_new"))
    case("bert-untied", "bert", "ForMaskedLM", 1001, dict(tie_word_embeddings=False))
    case("bert-pretraining", "bert", "ForPreTraining", 1002)
    case("electra-wide", "electra", "Model", 1003, dict(embedding_size=16))
    case("albert-inner-groups", "albert", "Model", 1004, dict(num_hidden_layers=4, inner_group_num=2))
    case("mobilebert-narrow-values", "mobilebert", "Model", 1005, dict(use_bottleneck_attention=True))
    case("mobilebert-no-bottleneck", "mobilebert", "Model", 1006, dict(use_bottleneck=False, trigram_input=False))
    case("mobilebert-no-pooler", "mobilebert", "ForSequenceClassification", 1007, dict(classifier_activation=False))
    # Several files and their index, as the reference splits them
    case("bert-sharded", "bert", "ForSequenceClassification", 1008, max_shard_size="8KB")
    buckets()

    none = dict(pooling_mode_mean_tokens=False)
    sentence("sentence-cls", dict(none, pooling_mode_cls_token=True), [], 2000)
    sentence("sentence-max", dict(none, pooling_mode_max_tokens=True), [lambda w: models.LayerNorm(w)], 2001)
    sentence("sentence-mean-normalize", dict(), [lambda w: models.Normalize()], 2002)
    root = dict(none, pooling_mode_mean_sqrt_len_tokens=True)
    sentence("sentence-root-dense", root, [lambda w: models.Dense(w, 12)], 2003)
    every = dict(pooling_mode_cls_token=True, pooling_mode_max_tokens=True, pooling_mode_mean_sqrt_len_tokens=True)
    dense = lambda w: models.Dense(w, 10, bias=False, activation_function=torch.nn.Identity())
    sentence("sentence-every", every, [dense, lambda w: models.Dropout(0.1), lambda w: models.Normalize()], 2004)


if __name__ == "__main__":
    main()
