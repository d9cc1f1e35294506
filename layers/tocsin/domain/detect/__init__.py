"""Pure detectors: small states that are told what happened and say how surprising it was."""
