"""
Fine-tunes a BERT on a task of GLUE as `secformer-distill` does, with PyTorch's and `transformers`' own model, tokenizer
and optimizer, and prints what it reaches, as one line of JSON: what fine-tuning here is compared with.

    python3 -m venv v && v/bin/pip install torch transformers
    v/bin/python make-baseline.py --task rte --data glue --model minilm-l6 --batch 16 --rate 5e-5 --epochs 5

Batches are of much the same length, drawn 32 batches at a time, and the best evaluation counts, as there; drawn numbers
are PyTorch's.
"""
import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertForSequenceClassification

ENTAILMENT = {"entailment": 0, "not_entailment": 1}
# Header, columns of texts, column of the label, what the label means, the measure
TASKS = {
    "cola": (False, [3], 1, int, "matthews"),
    "sst2": (True, [0], 1, int, "accuracy"),
    "mrpc": (True, [3, 4], 0, int, "f1"),
    "stsb": (True, [-3, -2], -1, float, "correlation"),
    "rte": (True, [1, 2], 3, ENTAILMENT.get, "accuracy"),
    "qnli": (True, [1, 2], 3, ENTAILMENT.get, "accuracy"),
}


def read(task, file):
    header, texts, label, meaning, _ = TASKS[task]
    # Not splitlines, which ends a line at other characters too
    lines = file.read_text(encoding="utf-8").removeprefix("\ufeff").split("\n")
    rows = [line.rstrip("\r").split("\t") for line in lines if line.strip("\r")]
    return [([row[i].strip() for i in texts], meaning(row[label].strip())) for row in rows[1 if header else 0 :]]


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out, at = [0.0] * len(values), 0
    while at < len(order):
        to = at
        while to < len(order) and values[order[to]] == values[order[at]]:
            to += 1
        for i in order[at:to]:
            out[i] = (at + to + 1) / 2
        at = to
    return out


def pearson(a, b):
    both = torch.tensor([a, b], dtype=torch.float64)
    return torch.corrcoef(both)[0, 1].item()


def measure(name, got, want):
    if name == "correlation":
        return (pearson(got, want) + pearson(ranks(got), ranks(want))) / 2
    if name == "accuracy":
        return sum(g == w for g, w in zip(got, want)) / len(want)
    tp = sum(g == 1 and w == 1 for g, w in zip(got, want))
    fp = sum(g == 1 and w != 1 for g, w in zip(got, want))
    fn = sum(g != 1 and w == 1 for g, w in zip(got, want))
    tn = len(want) - tp - fp - fn
    if name == "f1":
        return 2 * tp / max(1, 2 * tp + fp + fn)
    under = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / under if under else 0.0


def main():
    parser = argparse.ArgumentParser(description="what PyTorch reaches by fine-tuning")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="more of them wait for each other on a busy machine")
    f = parser.parse_args()
    torch.set_num_threads(f.threads)
    torch.manual_seed(f.seed)
    draw = random.Random(f.seed)
    name = TASKS[f.task][4]
    number = name == "correlation"
    tokenizer = AutoTokenizer.from_pretrained(f.model)
    model = BertForSequenceClassification.from_pretrained(
        f.model,
        num_labels=1 if number else 2,
        problem_type="regression" if number else "single_label_classification",
        dtype=torch.float32,
    )

    def encoded(examples):
        out = []
        for texts, label in examples:
            ids = tokenizer(*texts, truncation="longest_first", max_length=f.length)
            out.append((ids["input_ids"], ids["token_type_ids"], label))
        return out

    def batch_of(rows):
        width = max(len(ids) for ids, _, _ in rows)
        filled = lambda part: torch.tensor([row[part] + [0] * (width - len(row[part])) for row in rows])
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _, _ in rows])
        labels = torch.tensor([label for _, _, label in rows])
        return {"input_ids": filled(0), "token_type_ids": filled(1), "attention_mask": mask, "labels": labels}

    train, dev = (encoded(read(f.task, f.data / f.task / f"{part}.tsv")) for part in ("train", "dev"))
    plain = lambda n: n.endswith("bias") or "LayerNorm" in n
    weights = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in weights if not plain(n)], "weight_decay": f.decay},
        {"params": [p for n, p in weights if plain(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=f.rate, betas=(0.9, 0.999), eps=1e-8)
    steps = f.epochs * math.ceil(len(train) / f.batch)
    rise = math.floor(f.warmup * steps)
    scale = lambda s: s / max(1, rise) if s < rise else (steps - s) / max(1, steps - rise)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    began, cpu, evaluations = time.time(), time.process_time(), []
    for _ in range(f.epochs):
        model.train()
        order = list(train)
        draw.shuffle(order)
        chunk = 32 * f.batch
        batches = []
        for at in range(0, len(order), chunk):
            some = sorted(order[at : at + chunk], key=lambda row: len(row[0]))
            batches += [some[i : i + f.batch] for i in range(0, len(some), f.batch)]
        draw.shuffle(batches)
        for rows in batches:
            optimizer.zero_grad()
            model(**batch_of(rows)).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), f.clip)
            optimizer.step()
            schedule.step()
        model.eval()
        got = []
        with torch.no_grad():
            for at in range(0, len(dev), f.batch):
                logits = model(**batch_of(dev[at : at + f.batch])).logits
                got += logits[:, 0].tolist() if number else logits.argmax(1).tolist()
        evaluations.append(measure(name, got, [label for _, _, label in dev]))
    print(json.dumps({
        "task": f.task, "model": Path(f.model).name, "torch": torch.__version__, "batch": f.batch, "rate": f.rate,
        "epochs": f.epochs, "seed": f.seed, "steps": steps, "metric": name, "evaluations": evaluations,
        "best": max(evaluations), "seconds": time.time() - began, "processorSeconds": time.process_time() - cpu,
    }))


main()
