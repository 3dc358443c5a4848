"""The running node: its settings, the pure replica, and the host that joins it with sockets, disk and clock."""
