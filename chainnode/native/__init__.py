"""Optional C code: what pays where a profile says so. Each part has a plain twin that serves without it (ADR-0005)."""
