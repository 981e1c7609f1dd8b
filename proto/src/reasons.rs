//! The reasons that errors carry in `google.rpc.ErrorInfo`, domain [`ERROR_DOMAIN`](crate::ERROR_DOMAIN).
//!
//! A reason never changes its meaning; texts may. Reasons that come from a native code are that code's symbolic name,
//! for example `ERROR_CLUSTER_NODE_ALREADY_MEMBER`, with the number in the metadata key `win32_code` and the function
//! in `function`.

/// What a reason means and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The constant on the wire, in UPPER_SNAKE_CASE.
    pub name: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What the caller does about it.
    pub user_action: &'static str,
    /// What the operator of the daemon does about it.
    pub operator_action: &'static str,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident { meaning: $meaning:literal, user: $user:literal, operator: $operator:literal })*) => {
        $(
            $(#[$doc])*
            #[doc = $meaning]
            #[doc = ""]
            #[doc = concat!("Caller: ", $user)]
            #[doc = ""]
            #[doc = concat!("Operator: ", $operator)]
            pub const $name: &str = stringify!($name);
        )*

        /// Every reason of the daemon's own, in the order of this file.
        pub const ALL: &[Reason] = &[
            $(Reason { name: $name, meaning: $meaning, user_action: $user, operator_action: $operator },)*
        ];
    };
}

reasons! {
    CREDENTIALS_REQUIRED {
        meaning: "The caller has no identity, and this call needs one.",
        user: "Show a client certificate or a bearer token, or use the local endpoint on the daemon's host; `wsfcctl login` gets a certificate.",
        operator: "Give the caller a join token, or set `access.loopback_role` for callers of the host itself."
    }
    CERTIFICATE_REVOKED {
        meaning: "The client certificate was revoked.",
        user: "Ask an administrator of the daemon for a new one.",
        operator: "Nothing."
    }
    CERTIFICATE_EXPIRED {
        meaning: "The client certificate has expired.",
        user: "Renew it, or log in again.",
        operator: "Look at the clock of the host if it should not have."
    }
    TOKEN_INVALID {
        meaning: "The token is not one that this daemon takes: a bearer token that is not valid here, or a join token that there is not or that was used.",
        user: "Get another token.",
        operator: "Of a bearer token, compare issuer and audience with the settings."
    }
    TOKEN_EXPIRED {
        meaning: "The token is over.",
        user: "Get another token.",
        operator: "Nothing."
    }
    PERMISSION_MISSING {
        meaning: "No role of the caller allows this call, or not for this cluster; metadata `permission` names what is missing.",
        user: "Ask an administrator of the daemon for a role that has the permission.",
        operator: "Bind a role to the caller if it should have one."
    }
    AUTHORITY_ABSENT {
        meaning: "The daemon has no authority of its own, so it issues no certificates and has no join tokens.",
        user: "Use a certificate of the organisation's authority.",
        operator: "Run `wsfcd init` on the daemon's host, or give out certificates of the authority in `tls.client_ca`."
    }
    TOO_MANY_TRIES {
        meaning: "Too many wrong join tokens came from the caller's address.",
        user: "Wait as long as RetryInfo says, and use the token as it was printed.",
        operator: "Find out who guesses, if nobody has mistyped a token."
    }
    CERTIFICATE_FOREIGN {
        meaning: "The caller shows no certificate that this daemon has issued, so there is none to renew.",
        user: "Renew the certificate where it comes from, or log in with a join token.",
        operator: "Nothing."
    }
    RENEWED_TOO_OFTEN {
        meaning: "The certificates of the identity were renewed too often within an hour.",
        user: "Use the certificate that came last.",
        operator: "Find out what asks for certificates again and again."
    }
    IDENTITY_IN_USE {
        meaning: "The name belongs to an identity with other rights, which a join token for it would give away.",
        user: "Take another name, or ask for just the role and the clusters that the identity has, and bind other roles to it once it has joined.",
        operator: "A binding of the settings whose subject ends with `*` gives its role to every name that it covers."
    }
    REGISTER_FULL {
        meaning: "The daemon keeps as many tokens, roles or revocations as it can.",
        user: "Take away those that nobody needs.",
        operator: "Nothing."
    }
    TOKEN_NOT_FOUND {
        meaning: "There is no join token with this id.",
        user: "Look at ListTokens; a token that was used or has expired is forgotten in time.",
        operator: "Nothing."
    }
    IDENTITY_NOT_FOUND {
        meaning: "There is nothing to revoke: the identity has no certificate, role or token, or the certificate is revoked already.",
        user: "Look at ListIdentities.",
        operator: "Nothing."
    }
    BINDING_NOT_FOUND {
        meaning: "The subject does not have the role in just this way; roles of the settings file are changed there.",
        user: "Look at ListIdentities for the role and its clusters.",
        operator: "Nothing."
    }
    INVALID_FIELD {
        meaning: "A field of the request is missing, malformed or out of range; BadRequest names each one.",
        user: "Correct the named fields.",
        operator: "Nothing."
    }
    PAGE_TOKEN_INVALID {
        meaning: "The page token is not one that this daemon gave for these filters.",
        user: "Start again with an empty page token.",
        operator: "Nothing."
    }
    REQUEST_ID_REUSED {
        meaning: "The request id was used for another request.",
        user: "Make a new request id for a new request; metadata `operation_id` names the operation that the id belongs to.",
        operator: "Nothing."
    }
    CLUSTER_BUSY {
        meaning: "Another operation holds the cluster, one of the nodes or the object, and the request asked not to wait.",
        user: "Wait for the operation in metadata `operation_id`, or start without BUSY_POLICY_REFUSE.",
        operator: "Nothing."
    }
    TOO_MANY_WAITING {
        meaning: "As many operations of the caller wait for others as may; metadata `operation_id` names the one that is in the way of this one, and `waiting` says how many wait.",
        user: "Wait for operations to end, or cancel some that wait.",
        operator: "Raise `limits.waiting_operations` if callers need that many."
    }
    OPERATION_NOT_FOUND {
        meaning: "There is no such operation, or it is older than the journal keeps.",
        user: "Check the id and the daemon; ListOperations shows what there is.",
        operator: "Raise `journal.keep_operations` if clients come back later than the journal remembers."
    }
    OPERATION_ENDED {
        meaning: "The operation is in a final state and cannot be cancelled.",
        user: "Nothing: the operation's outcome stands.",
        operator: "Nothing."
    }
    SEQUENCE_IN_FUTURE {
        meaning: "The sequence number is after the operation's last record.",
        user: "Resume from metadata `last_sequence` or before.",
        operator: "If a client is sure of its number, the journal was restored from an older copy."
    }
    COMPACTED {
        meaning: "The records after that sequence number are no longer kept.",
        user: "Read the operation with GetOperation and watch from metadata `oldest_sequence`; asking again is pointless.",
        operator: "Nothing."
    }
    STORE_REPLACED {
        meaning: "The sequence number belongs to another journal: the store of the daemon was replaced.",
        user: "Forget what was seen, and list the operations again.",
        operator: "Expected after a damaged store was set aside; the log of that start says where it is kept."
    }
    STORE_FAILED {
        meaning: "The journal can no longer be written, so nothing new is accepted; reads go on.",
        user: "Try again when the daemon is back.",
        operator: "Read the log: free the disk or mend it, then start the daemon again."
    }
    AUDIT_UNAVAILABLE {
        meaning: "The audit log cannot be written, so that nothing that changes something is carried out; reads go on.",
        user: "Try again after a moment.",
        operator: "Look at the disk of the audit log (`audit.dir`); the log of the daemon and event 600 say why. It goes on by itself."
    }
    RECORD_DAMAGED {
        meaning: "A stored record fails its checksum and is not served.",
        user: "Read the operation with GetOperation; the records from that one on cannot be had.",
        operator: "The disk or the file is damaged: save the data folder and look at the disk."
    }
    SHUTTING_DOWN {
        meaning: "The daemon is stopping.",
        user: "Connect again after a moment and resume; operations go on or say what became of them.",
        operator: "Nothing."
    }
    FUNCTION_UNAVAILABLE {
        meaning: "The cluster API of the daemon's host lacks the function in metadata `function`, which came with `since`.",
        user: "Use a daemon on that Windows Server or a newer one.",
        operator: "Install the Failover Clustering feature, or upgrade Windows."
    }
    OPERATION_INTERRUPTED {
        meaning: "The daemon ended while the call was running, and what came of it is not known from the call itself.",
        user: "Read the outcome's inspection and suggested actions.",
        operator: "Find out why the daemon ended."
    }
    CREDENTIALS_LOST {
        meaning: "The operation was waiting with credentials when the daemon ended; credentials are never stored.",
        user: "Start it again.",
        operator: "Nothing."
    }
    OPERATION_CANCELLED {
        meaning: "The operation was cancelled.",
        user: "Nothing.",
        operator: "Nothing."
    }
    SETUP_INCOMPLETE {
        meaning: "The call returned success, and a look at the cluster afterwards does not bear it out.",
        user: "Read the outcome's inspection and suggested actions.",
        operator: "Read the cluster log of the nodes."
    }
    MESSAGE_TOO_LARGE {
        meaning: "The request is larger than the daemon accepts.",
        user: "Send a smaller request.",
        operator: "Nothing."
    }
    REQUEST_MALFORMED {
        meaning: "The request cannot be decoded as the message that the method takes.",
        user: "Generate the client from this daemon's protobuf files or its reflection data.",
        operator: "Nothing."
    }
    REQUEST_UNKNOWN {
        meaning: "The daemon has no such method, or does not speak the encoding of the request.",
        user: "Check the method's name and the daemon's version; send no compressed messages.",
        operator: "Nothing."
    }
    TIMED_OUT {
        meaning: "The cluster did not answer in the time that the daemon allows.",
        user: "Try again, or ask another node's daemon.",
        operator: "Look whether the cluster answers on the daemon's host; `limits.unary` is the time allowed for reads, 30 seconds for the look before a call starts."
    }
    OVERLOADED {
        meaning: "The daemon's host gives it no more threads.",
        user: "Try again after a moment.",
        operator: "Look at the memory and the thread limit of the host."
    }
    OBJECT_NOT_FOUND {
        meaning: "The cluster has no object of this kind and name or id.",
        user: "Check the name; the list of the kind shows what there is.",
        operator: "Nothing."
    }
    REVISION_COMPACTED {
        meaning: "The events after that revision are no longer kept.",
        user: "Take a new snapshot, and watch from its revision; asking again is pointless.",
        operator: "Nothing."
    }
    REVISION_IN_FUTURE {
        meaning: "The revision is after the last one of the journal.",
        user: "Resume from metadata `last_revision` or before, or take a new snapshot.",
        operator: "If a client is sure of its revision, the journal was restored from an older copy."
    }
    TOO_MANY_CLUSTERS {
        meaning: "The daemon observes as many clusters as it may.",
        user: "Ask a daemon that observes the cluster already.",
        operator: "Raise `inventory.clusters`, or let fewer be asked for."
    }
    NOT_OBSERVED {
        meaning: "The cluster cannot be watched, because the daemon observes no clusters.",
        user: "Watch by a daemon that observes clusters, or read instead.",
        operator: "Set `inventory.observe` to true."
    }
    REVISION_CONFLICT {
        meaning: "The object has changed since the revision that the caller expects.",
        user: "Read the object again, and decide again.",
        operator: "Nothing."
    }
    QUORUM_AT_RISK {
        meaning: "The cluster says that it would lose its quorum by it.",
        user: "Bring another node or the witness up first, or force it where the call can be forced.",
        operator: "Nothing."
    }
    WORKLOAD_NOT_FOUND {
        meaning: "No agent is attached to a workload of this name, and no resource of this host names it.",
        user: "Check the name, and that the daemon is that of the node where the resource runs.",
        operator: "Nothing."
    }
    WORKLOAD_TAKEN {
        meaning: "Another agent holds the workload.",
        user: "Wait until its lease has run out, or attach with `stand_by`.",
        operator: "Nothing."
    }
    LEASE_UNKNOWN {
        meaning: "The lease has run out, or was never given.",
        user: "Attach without a lease id.",
        operator: "Nothing."
    }
    RATE_LIMITED {
        meaning: "The caller makes more calls than one may; RetryInfo says when to come back.",
        user: "Wait as told, and make fewer calls: watch instead of asking again and again.",
        operator: "Raise `limits.calls_per_second` or `limits.changes_per_second` if the caller needs that many."
    }
    TOO_MUCH_UNREAD {
        meaning: "The caller has open as many streams as one may, or has not taken answers that it has asked for.",
        user: "Read what was asked for, end streams that are not needed, and share one watch among those who need the same.",
        operator: "Raise `limits.streams_per_identity` or `limits.unread_bytes` if the caller needs that many."
    }
    REQUEST_LATE {
        meaning: "The request did not arrive within the time that a request may take.",
        user: "Send the whole request at once; repeating it is safe with a request id.",
        operator: "Raise `limits.request_body` if the network is that slow."
    }
    INTERNAL {
        meaning: "The daemon has a defect.",
        user: "Report it with the request and the time.",
        operator: "Report it with the log."
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn reasons_are_unique_and_upper_snake_case() {
        let mut names: Vec<_> = ALL.iter().map(|reason| reason.name).collect();
        for name in &names {
            assert!(name.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
