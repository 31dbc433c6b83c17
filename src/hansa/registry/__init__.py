"""What must be decided consistently: domains, accounts, products, revisions, triggers, tokens; and the audit."""
