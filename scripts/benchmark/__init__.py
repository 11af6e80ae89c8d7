"""The benchmark's rooms: what is compared, the published method, an independent program, memory."""
