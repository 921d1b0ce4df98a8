"""
Writes fixtures/reference.json: losses of 20 steps of a tiny BERT, and its weights after them, as PyTorch has them.

    python3 -m venv v && v/bin/pip install torch
    v/bin/python make-reference.py

Weights begin as sines of their places, which the test makes too; a step sees the same four examples. AdamW, clipping
and the schedule are PyTorch's own, the layers are written here after the papers.
"""
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

VOCABULARY, HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 30, 8, 2, 2, 16, 16
STEPS, WARMUP, RATE, DECAY, CLIP, CONSTANT_RATE = 20, 2, 2e-3, 0.01, 1.0, 10.0
EPSILON = 1e-12
# [CLS] is 2, [SEP] is 3, as in the test's vocabulary
TEXTS = [[2, 7, 9, 11, 3], [2, 8, 3], [2, 20, 21, 22, 23, 24, 3], [2, 5, 29, 6, 3]]
CLASSES = [0, 1, 1, 0]
SCORES = [0.5, 4.0, 2.5, 3.0]


def shapes(outputs, constants):
    out = {
        "bert.embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "bert.embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "bert.embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "bert.embeddings.LayerNorm.weight": (HIDDEN,),
        "bert.embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for i in range(LAYERS):
        at = f"bert.encoder.layer.{i}."
        for name, rows, cols in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ]:
            out[f"{at}{name}.weight"] = (rows, cols)
            out[f"{at}{name}.bias"] = (rows,)
        for name in ["attention.output.LayerNorm", "output.LayerNorm"]:
            out[f"{at}{name}.weight"] = (HIDDEN,)
            out[f"{at}{name}.bias"] = (HIDDEN,)
        if constants:
            out[f"{at}attention.self.constant"] = (HEADS,)
    out["bert.pooler.dense.weight"] = (HIDDEN, HIDDEN)
    out["bert.pooler.dense.bias"] = (HIDDEN,)
    out["classifier.weight"] = (outputs, HIDDEN)
    out["classifier.bias"] = (outputs,)
    return out


def initial(outputs, constant):
    weights = {}
    for k, (name, shape) in enumerate(shapes(outputs, constant is not None).items()):
        n = math.prod(shape)
        base = constant if name.endswith(".constant") else 1.0 if name.endswith("LayerNorm.weight") else 0.0
        values = [base + 0.3 * math.sin(1.7 * i + 0.9 * k + 0.01 * i * i) for i in range(n)]
        weights[name] = torch.tensor(values, dtype=torch.float32).reshape(shape).requires_grad_()
    return weights


def attention_weights(scores, mask, case, constants):
    if case["function"] == "softmax":
        return torch.softmax(scores.masked_fill(mask == 0, float("-inf")), -1)
    c = constants.reshape(1, HEADS, 1, 1)
    n = mask.sum(-1, keepdim=True)
    if case["function"] == "2quad":
        squares = (scores + c) ** 2 * mask
        return squares / squares.sum(-1, keepdim=True)
    if case["function"] == "cgf":
        mean = (scores * mask).sum(-1, keepdim=True) / n
        variance = (((scores - mean) ** 2) * mask).sum(-1, keepdim=True) / n
        return torch.exp(scores - mean - c * variance) * mask / n
    return F.relu(scores + c) ** case["power"] * mask / n


def logits(w, ids, mask, case):
    def norm(x, name):
        gain, bias = w[f"{name}.weight"], w[f"{name}.bias"]
        if case["norm"] == "affine":
            return gain * x + bias
        return F.layer_norm(x, (HIDDEN,), gain, bias, EPSILON)

    def dense(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    batch, length = ids.shape
    e = "bert.embeddings."
    x = w[f"{e}word_embeddings.weight"][ids] + w[f"{e}position_embeddings.weight"][:length]
    x = norm(x + w[f"{e}token_type_embeddings.weight"][0], f"{e}LayerNorm")
    rows = mask.reshape(batch, 1, 1, length)
    for i in range(LAYERS):
        at = f"bert.encoder.layer.{i}."
        split = lambda t: t.reshape(batch, length, HEADS, HIDDEN // HEADS).transpose(1, 2)
        q, k, v = (split(dense(x, f"{at}attention.self.{n}")) for n in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)
        p = attention_weights(scores, rows, case, w.get(f"{at}attention.self.constant"))
        context = (p @ v).transpose(1, 2).reshape(batch, length, HIDDEN)
        a = norm(dense(context, f"{at}attention.output.dense") + x, f"{at}attention.output.LayerNorm")
        up = F.gelu(dense(a, f"{at}intermediate.dense"))
        x = norm(dense(up, f"{at}output.dense") + a, f"{at}output.LayerNorm")
    return dense(torch.tanh(dense(x[:, 0], "bert.pooler.dense")), "classifier")


def run(case):
    outputs = 1 if case["task"] == "stsb" else 2
    w = initial(outputs, case.get("constant"))
    length = max(map(len, TEXTS))
    ids = torch.tensor([t + [0] * (length - len(t)) for t in TEXTS])
    mask = torch.tensor([[1.0] * len(t) + [0.0] * (length - len(t)) for t in TEXTS])
    plain = lambda n: n.endswith("bias") or "LayerNorm" in n
    constant = lambda n: n.endswith(".constant")
    groups = [
        {"params": [p for n, p in w.items() if not plain(n) and not constant(n)], "weight_decay": DECAY},
        {"params": [p for n, p in w.items() if plain(n)], "weight_decay": 0.0},
        {"params": [p for n, p in w.items() if constant(n)], "weight_decay": 0.0, "lr": RATE * CONSTANT_RATE},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    scale = lambda s: s / WARMUP if s < WARMUP else (STEPS - s) / (STEPS - WARMUP)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    losses = []
    for _ in range(STEPS):
        out = logits(w, ids, mask, case)
        if outputs == 1:
            loss = F.mse_loss(out.reshape(-1), torch.tensor(SCORES))
        else:
            loss = F.cross_entropy(out, torch.tensor(CLASSES))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(w.values()), CLIP)
        optimizer.step()
        schedule.step()
    weights = {n: [float(f"{v:.6g}") for v in p.detach().reshape(-1).tolist()] for n, p in w.items()}
    return {**case, "losses": [float(f"{v:.7g}") for v in losses], "weights": weights}


torch.manual_seed(0)
cases = [
    {"name": "classifier", "task": "sst2", "function": "softmax", "norm": "standard"},
    {"name": "regressor", "task": "stsb", "function": "softmax", "norm": "standard"},
    {"name": "2quad", "task": "sst2", "function": "2quad", "norm": "standard", "constant": 5.0},
    {"name": "cgf", "task": "sst2", "function": "cgf", "norm": "standard", "constant": 0.5},
    {"name": "power, affine", "task": "sst2", "function": "power", "power": 2, "norm": "affine", "constant": 1.0},
]
out = {
    "shape": {"vocabulary": VOCABULARY, "hidden": HIDDEN, "layers": LAYERS, "heads": HEADS, "inner": INNER,
              "positions": POSITIONS},
    "texts": TEXTS, "classes": CLASSES, "scores": SCORES, "torch": torch.__version__,
    "shapes": {"classifier": {n: list(s) for n, s in shapes(2, True).items()}},
    "cases": [run(c) for c in cases],
}
Path(__file__).parent.joinpath("fixtures/reference.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
for c in out["cases"]:
    print(c["name"], c["losses"][0], c["losses"][-1])
