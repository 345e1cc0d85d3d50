"""Semantic tokens: SPWs (MTGC) and RSRTs (SDGIC) as codes of a finite scalar quantiser, and their payload."""
