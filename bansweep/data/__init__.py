"""Image sets, decoded once, kept in an order of their own, held on the device, augmented there; and texts as tokens."""
