"""What authors import from `hansa`, and what turns their folder into processes: load, plan, compile.

An author's names are re-exported by `hansa` itself. `load` imports a folder, `plan` checks and compiles what it found;
neither is loaded by `import hansa`.
"""
