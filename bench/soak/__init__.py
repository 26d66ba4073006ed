"""`make soak`: the whole service under honest traffic and a crash a minute. Writes bench/soak.md."""
