"""Cooperation commands: notices, notifiers, networks and referrals (`ipml cooperate`)."""
