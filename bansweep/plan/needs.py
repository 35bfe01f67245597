"""Which generations are still needed as chains end. Kept up to date, so that an end costs nothing in a large plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from bansweep.plan.chains import ChainEnd, chain_end
from bansweep.plan.plan import Plan


class Needs:
    """Counts what needs each generation: cells and ensembles that show it, and students that it teaches.

    After any number of generations finished, what is not needed is what `chains.without_ended` leaves out.
    """

    def __init__(self, plan: Plan) -> None:
        self._generations = plan.generations
        self._needed_by = Counter(cell.generation_id for cell in plan.cells)
        self._needed_by.update(member for ensemble in plan.ensembles for member in ensemble.members)
        self._needed_by.update(one.teacher for one in plan.generations.values() if one.teacher is not None)
        self._ensembles = {(one.row, one.replica_seed, one.column): one for one in plan.ensembles}
        self._open_chains = {number: chain for number, chain in enumerate(plan.chains) if chain.stop is not None}
        self._chains_of: dict[str, list[int]] = {}
        for number, chain in self._open_chains.items():
            for generation_id in (chain.teacher, *chain.members):
                self._chains_of.setdefault(generation_id, []).append(number)
        self._metrics: dict[str, Mapping[str, float]] = {}

    def depend_on(self, generation_id: str) -> bool:
        """Whether a generation's figures can tell where a chain ends: of others nobody has to know them."""
        return generation_id in self._chains_of

    def finish(self, generation_id: str, metrics: Mapping[str, float]) -> dict[str, str]:
        """A generation is finished, with these figures. Returns what is not needed any more because of them, teachers
        first, each with the last generation that counts in its chain."""
        left_out: dict[str, str] = {}
        if self.depend_on(generation_id):
            self._metrics[generation_id] = metrics
        for number in self._chains_of.get(generation_id, ()):
            chain = self._open_chains.get(number)
            if chain is not None and (end := chain_end(chain, self._metrics)) is not None:
                del self._open_chains[number]
                left_out |= self._without(end)
        return left_out

    def _without(self, end: ChainEnd) -> dict[str, str]:
        chain = end.chain
        kept, after = chain.members[: end.length], chain.members[end.length :]
        # A part of a plan (`--only`) may have neither the last cells of a chain nor its ensemble.
        released = [member for member in after if member in self._generations]
        ensemble = self._ensembles.get((chain.row, chain.replica_seed, str(chain.ensemble)))
        if ensemble is not None:
            released += [member for member in ensemble.members if member not in kept]
        left_out = self._release(released)
        return dict.fromkeys(reversed(left_out), end.last)

    def _release(self, generation_ids: Iterable[str]) -> list[str]:
        """One need less of each; returns whom nothing needs any more, students before their teachers."""
        left_out: list[str] = []
        waiting = list(generation_ids)
        while waiting:
            generation_id = waiting.pop()
            self._needed_by[generation_id] -= 1
            if not self._needed_by[generation_id]:
                left_out.append(generation_id)
                teacher = self._generations[generation_id].teacher
                if teacher is not None:
                    waiting.append(teacher)
        return left_out
