"""What plans cost and what they give: architectures, device profiles, predictions, measured fidelity."""
