"""What the bucket says about members and shards (design §3 "Ownership")."""

from lamplighter_proto.ownership import Member, ShardTable


class View:
    """What the bucket says, without I/O."""

    def __init__(self) -> None:
        self.table: ShardTable | None = None
        self.revision = 0
        self.members: dict[str, Member] = {}

    def take_table(self, table: ShardTable, revision: int) -> list[int]:
        """Take a newer table; return the shards whose ownership is not what it was."""
        if revision <= self.revision:
            return []
        before = self.table.owners if self.table else {}
        self.table, self.revision = table, revision
        return [shard for shard, owner in table.owners.items() if before.get(shard) != owner]

    def take_member(self, key: str, member: Member | None) -> bool:
        """Take a member's record, None when it is gone; return whether who is alive changed."""
        before = self.members.pop(key, None)
        if member is not None:
            self.members[key] = member
        return before != member

    def owner_of(self, shard: int) -> str | None:
        """Return the instance that owns a shard."""
        owner = self.table.owners.get(shard) if self.table else None
        return owner.owner or None if owner else None

    def alive(self, service: str) -> set[str]:
        """Return the instances of a service that are alive."""
        return {member.instance for member in self.members.values() if member.service == service}
