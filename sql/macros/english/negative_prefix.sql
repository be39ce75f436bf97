-- A regular expression for English words with a negative prefix or ending whose translation must be negative too.
create macro negative_prefix() as
    '(?i)\bun(?:ironic|intention|official|limited|necessar|availab|pleasant|fair\b|reliab|comfort|healthy|predict|precedent'
    || '|identif|manned|licens|regist|satisf|acceptab|believab|importan|success|equal|employ)[a-z]*|\b[a-z]+[- ]free (?:home|environment|zone|area)';
