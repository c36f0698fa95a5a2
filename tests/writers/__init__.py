"""Files as other experiments write them, made by the tests, so that readers need no others."""
