-- Lines that no spec reaches, by file and function: why.  For scripts/coverage.
return {}
