"""Who asks, and what they may: persons, accounts, sessions, tokens, roles, policy, audit."""
