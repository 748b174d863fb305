"""Would a test fail if the code were wrong? Changes one place at a time and runs the tests.

    python -m abintel_pipeline_tests.mutants                all modules of GROUPS
    python -m abintel_pipeline_tests.mutants metrics/rfm    one; `make mutants ARGS=metrics/rfm`

mutmut makes the changed copies, the mutants, and runs the tests that reach them. Here stand which
modules are changed and by which tests (`groups`), and why some mutants may survive
(`survivors.toml`).
"""
