"""What every implementation of the budgets' store does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.budgets import Budget, BudgetAction, Limit
from tocsin.domain.ids import new_batch_id
from tocsin.domain.projection import Projected
from tocsin.services.intake.stamp import own_batch

BUDGET = Budget(
    org="acme",
    id="bud_1",
    name="Claude's",
    kind="agent",
    subject="claude/😀",
    limits=(Limit("cost_usd", "day", 5 * 10**9), Limit("calls", "month", 0)),
    action=BudgetAction.BLOCK,
    created_at_ms=7,
    created_by="maria",
    counter="01k",
    from_seq=41,
    opening={"2026-11": {"calls": 3}},
    exceeded=("2026-11-27", "2026-11"),
)


def write(
    on: Stores, salt: int, budget: Budget, was: str = "", at: Projected | None = None
) -> Budget | None:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    batch, packed = own_batch(budget.org, [{"type": "budget.exceeded"}], id)
    written = on.budgets.write(replace(budget, change=id), was, batch, packed, at)
    assert (id in on.journal.get(budget.org, [id])) is written
    return replace(budget, change=id) if written else None


class TestBudgets:
    def test_one_comes_back_as_it_was_written(self, on: Stores) -> None:
        assert on.budgets.get("acme", "bud_1") is None
        written = write(on, 1, BUDGET)
        assert on.budgets.get("acme", "bud_1") == written
        assert on.budgets.get("beta", "bud_1") is None
        assert (on.budgets.all("acme"), on.budgets.all("beta")) == ([written], [])

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        first = write(on, 1, BUDGET)
        assert first
        assert not write(on, 2, BUDGET)
        second = write(on, 3, replace(BUDGET, enabled=False), first.change)
        assert second
        assert not write(on, 4, BUDGET, first.change)
        assert on.budgets.get("acme", "bud_1") == second

    def test_one_is_written_where_the_projections_are(self, on: Stores) -> None:
        none, run = Projected(), Projected(0, 7)
        assert not write(on, 1, BUDGET, at=Projected(7, 7))
        on.projections.remake("acme")  # which makes the item of the cursor
        first = write(on, 2, BUDGET, at=none)
        assert first
        assert on.projections.claim("acme", none, run)
        for salt, at in enumerate((none, run, Projected(7, 7)), 3):
            assert not write(on, salt, BUDGET, first.change, at)
        on.projections.advance("acme", run)
        assert not write(on, 6, BUDGET, first.change, none)
        assert not write(on, 7, BUDGET, first.change, Projected(7, 7, generation=1))
        assert write(on, 8, BUDGET, first.change, Projected(7, 7))

    def test_all_are_listed_oldest_first(self, on: Stores) -> None:
        later = write(on, 1, replace(BUDGET, id="bud_0", created_at_ms=9))
        assert on.budgets.all("acme") == [later]
        first = write(on, 2, BUDGET)
        assert on.budgets.all("acme") == [first, later]

    def test_one_is_removed_as_it_is(self, on: Stores) -> None:
        first = write(on, 1, BUDGET)
        assert first
        second = write(on, 2, replace(BUDGET, name=""), first.change)
        assert second
        id = new_batch_id(1_774_000_000_001, bytes(10))
        told = own_batch("acme", [{"type": "removed"}], id)
        assert not on.budgets.remove(first, *told)
        assert on.journal.get("acme", [id]) == {}
        assert on.budgets.remove(second, *told)
        assert id in on.journal.get("acme", [id])
        assert not on.budgets.remove(second, *told)
        assert on.budgets.all("acme") == []

    def test_turns_are_taken_one_after_another(self, on: Stores) -> None:
        def take(now_ms: int, id: str = "bud_1", org: str = "acme") -> bool:
            return on.budgets.take_turn(org, id, now_ms, 10_000)

        assert [take(100_000), take(100_000), take(109_999)] == [True, False, False]
        assert [take(100_000, "bud_2"), take(100_000, org="beta")] == [True, True]
        assert [take(110_000), take(110_001)] == [True, False]
        assert take(50_000)  # the clock was ahead before
        assert not take(59_999)
