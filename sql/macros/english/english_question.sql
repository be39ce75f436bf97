-- A regular expression for an English question on a line of its own, or after a Japanese sentence.
create macro english_question() as
    '(?i)(?:^|[\n。！])\s*(?:(?:in|on|at|to|from|for|with|by|of) )?(?:what|which|who|whose|where|when|why|how|is|are'
    || '|do|does|did|can|could|was|were|has|have|will|would)(?: +[a-z0-9''’,/-]+){2,}\s*[?？.]';
