"""Dead letters as people handle them: groups, single letters, patches tried out, replays."""
