complete --keep-order --exclusive --command hostler --arguments "(HOSTLER_COMPLETE=fish hostler -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
