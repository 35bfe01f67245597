"""Writes docs/results.md, and draws its pictures, from what is kept under results/.

::

    python docs/generators/results.py           write what is not up to date
    python docs/generators/results.py --check   write nothing; exit status 1 where something is not

`docs/generators/results_kept.py` brings results there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from results_claims import IMAGE_CLAIMS, TEXT_CLAIMS, Claim
from results_findings import ALL_ROWS, SIGNS, Finding, Verdict, claim_verdict, taken_together
from results_kept import KeptSweep
from results_pictures import described, description, draw, picture
from results_section import ROOT, claims_of, findings_of, section, table, unit
from status import STATUS

PAGE = ROOT / "docs" / "results.md"
COMMAND = "python docs/generators/results.py"
FOLDERS = {"cpu": "On a CPU"}
"""Folders of sweeps/ and of results/, with their titles."""
PAPER_SWEEPS = ("table1", "table2", "table3", "table4", "table5", "table6")

HEAD = f"""# Results

{STATUS}

What this project has trained so far, on which machines, and which of the paper's claims it bears out. This page is
written by `{COMMAND}` from the records, histories and reports that are kept under
[`results/`](../results/README.md): no figure on it is typed in by hand, but for those of the remarks under *What was
looked into*. "The paper" is Furlanello et al., "Born-Again Neural Networks", ICML 2018.

**How to read it.** Figures are means ± standard deviations over seeds: test errors in percent, perplexities as they
are. A seed is a replica of everything that is trained, teacher and students. Differences are taken seed by seed, with
the paired t-interval of their mean at 95 %; negative is better. A claim

- {SIGNS["holds"]} **holds** where the whole interval is on the side that the paper says;
- {SIGNS["open"]} is **open** where the interval contains 0: with so few seeds, only large effects show;
- {SIGNS["does not hold"]} **does not hold** where the whole interval is on the other side;
- {SIGNS["not refuted"]} is **not refuted** where it says that something is no better, and the interval contains 0: that
  proves nothing.

A claim about several pairs of columns holds {SIGNS["in part"]} **in part** where it holds for some of them; where it
holds for none, and for some does not, it does not hold. Where a sweep has several networks, *{ALL_ROWS}* is the mean
over all their seeds, with its interval, and n counts networks times seeds: where the networks differ, read their own
rows.

**What intervals leave out.** All seeds learn from the same few images, or the same piece of text, and are tested on the
same: what other images would have brought is in no interval. Of 10,000 test images, an error of 40 % is itself known to
± 1.0 points, one of 75 % to ± 0.8; of the digits' 360, one of 5 % to ± 2.3. Differences between networks that are
tested on the same images are known better than that. One interval in twenty misses by chance. They are no independent
witnesses either: all differences from the teacher share the teacher's runs, all from BAN-1 share BAN-1's. And these
networks are tiny: the paper's smallest has 380,000 parameters.

**What the claims leave open.** An ensemble is compared with single networks; no ensemble of networks that all learnt
from labels was run, so that none of this shows that being born again is what makes ensembles good. Where teacher and
student are of two architectures they are of two sizes, too: the Wide-ResNets here have two to four times the DenseNets'
parameters, and mostly learn more from labels alone; in the paper it is mostly the student that is larger.
"""


def page() -> str:
    """The whole of docs/results.md."""
    sweeps = list(kept_sweeps())
    blocks = [HEAD.strip(), *_overview([sweep for sweep in sweeps if sweep.records])]
    for folder, title in FOLDERS.items():
        here = [sweep for sweep in sweeps if sweep.folder.name == folder and sweep.records]
        if here:
            blocks += [f"## {title}", f"Machine: {here[0].machine}"]
            blocks += [block for sweep in here for block in section(sweep)]
    return "\n\n".join([*blocks, *_not_run(sweeps)]) + "\n"


def kept_sweeps() -> Iterator[KeptSweep]:
    """Every sweep that is meant to be run on the machines at hand."""
    for folder in FOLDERS:
        for file in sorted((ROOT / "sweeps" / folder).glob("*.yaml")):
            yield KeptSweep(file, ROOT / "results" / folder)


def _overview(sweeps: Sequence[KeptSweep]) -> list[str]:
    """Claims against sweeps: in a word each, and then what the networks of a sweep say together of each pair."""
    if not sweeps:
        return ["Nothing has been run yet."]
    found = {sweep.spec.name: dict(claims_of(sweep)) for sweep in sweeps}
    claims = [claim for claim in (*IMAGE_CLAIMS, *TEXT_CLAIMS) if any(claim in of for of in found.values())]
    in_words = [
        [claim.name, *(_word(claim_verdict(of[claim])) if claim in of else "" for of in found.values())]
        for claim in claims
        if not claim.is_control
    ]
    counts = Counter(claim_verdict(of[claim]) for of in found.values() for claim in of if not claim.is_control)
    told = ", ".join(f"{counts[verdict]} {_word(verdict)}" for verdict in SIGNS if counts[verdict])
    intervals = sum(len(those) for of in found.values() for those in of.values())
    lines = [line for claim in claims for line in _pairs(claim, [of.get(claim, ()) for of in found.values()])]
    return [
        "## The claims at a glance",
        f"In all: {told}. The page has {intervals} intervals, of which about {intervals / 20:.0f} miss by chance.",
        table(["claim", *found], in_words),
        "Differences that this rests on: of all networks of a sweep together, with the interval and the number of "
        "differences behind it; then what the paper has of its own, far larger networks. BAN-1 here is the BAN of its "
        "table 2, but for comparisons of generations and ensembles, for which it has a BAN-1 of another seed.",
        table(["claim", "difference", *found, "the paper's", "where"], lines),
    ]


def _word(verdict: Verdict) -> str:
    return f"{SIGNS[verdict]} {verdict}"


def _pairs(claim: Claim, found: Sequence[Sequence[Finding]]) -> Iterator[list[str]]:
    """A line for each pair of a claim of which a sweep has something: what each sweep has."""
    by_sweep = [{one.pair: one for one in taken_together(those)} for those in found]
    pairs = [pair for pair in claim.pairs if any(pair in of for of in by_sweep)]
    for number, pair in enumerate(pairs):
        cells = [_glance(of[pair]) if pair in of else "" for of in by_sweep]
        yield [
            claim.name if number == 0 else "",
            f"{pair.first} − {pair.second}",
            *cells,
            str(pair.paper or ""),
            claim.source if number == 0 else "",
        ]


def _glance(finding: Finding) -> str:
    return f"{SIGNS[finding.verdict]} {finding.mean_text} ({finding.interval_text}; n = {finding.paired.n})"


def _not_run(sweeps: Sequence[KeptSweep]) -> list[str]:
    waiting = [
        f"- [`{file}`](../{file}): {missing} of {len(sweep.plan.generations)} generations"
        for sweep in sweeps
        if (missing := len(sweep.plan.generations) - len(sweep.records))
        for file in [sweep.file.relative_to(ROOT)]
    ]
    waiting += [f"- [`sweeps/{name}.yaml`](../sweeps/{name}.yaml): all of it; it needs GPUs" for name in PAPER_SWEEPS]
    told = (
        "These sweeps have not finished, so their results are unknown. How well a training uses a GPU is unknown, too."
    )
    return ["## What was not run", told, "\n".join(waiting)]


def outdated() -> list[Path]:
    """The page and the pictures that are not what results/ says now."""
    files = [] if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page() else [PAGE]
    drawn = [sweep for sweep in kept_sweeps() if sweep.records]
    return files + [picture(sweep.spec.name) for sweep in drawn if not _is_drawn(sweep)]


def _is_drawn(sweep: KeptSweep) -> bool:
    return described(picture(sweep.spec.name)) == description(findings_of(sweep))


def main() -> int:
    files = outdated()
    for file in files:
        print(f"{file} is not up to date; {COMMAND} writes it" if "--check" in sys.argv[1:] else file)
    if "--check" in sys.argv[1:]:
        return 1 if files else 0
    PAGE.write_text(page(), encoding="utf-8")
    for sweep in kept_sweeps():
        if picture(sweep.spec.name) in files:
            draw(sweep.spec.name, findings_of(sweep), unit(sweep))
    return 0


if __name__ == "__main__":
    sys.exit(main())
