"""Parts of `scripts.bench_temporal`: sequences, methods, painting, judging, the table."""
