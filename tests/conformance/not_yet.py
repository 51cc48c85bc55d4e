"""What our server lacks of the rules, each gap with its reason; CONFORMANCE.md says so too.

The list only shrinks: `test_ours.py` fails when a rule is broken that is not listed here, and when
one holds that is. Whoever closes a gap deletes its line here, then runs
`python -m tests.conformance.report`.
"""

GAPS: dict[str, tuple[str, ...]] = {}

NOT_YET: dict[str, str] = {name: reason for reason, names in GAPS.items() for name in names}
"""Rule -> why it does not hold yet."""
