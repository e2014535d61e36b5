"""What each magic does once its line is read: prompts, settings, votes, policies, local models."""
