"""The paper's tables and figures from the data at hand: which runs, which tests, what they gave.

`experiments` says what is trained, `conditions` what is tested, `tables` what is set beside what;
`plan` brings the three together, `jobs` does the work and keeps it by digest, `report` writes it.
"""
