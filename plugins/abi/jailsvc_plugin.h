/* The plugin interface of jailsvc: C, self-contained, the only header a plugin needs.
 *
 * A plugin owns one table of the unit file, [jail.NAME], and turns it into typed operations. It
 * supplies data, not child code: the core's interpreter applies the operations between clone and
 * exec, where no plugin code runs; the core then reads back from the kernel that they hold.
 *
 * Functions are tagged with where they may be called:
 *   [plan]    in a short-lived sandboxed worker, once per version of a unit; no privileges that
 *             outlive it, no state kept
 *   [parent]  in the jailer, on its loop: must not block
 *   [probe]   in a short-lived process of `jailsvc doctor`, as whoever asked
 *
 * Versions: abi_major must be equal; a shorter struct from an older minor is read as if the missing
 * fields were zero. Every struct starts with its size.
 */
#ifndef JAILSVC_PLUGIN_H
#define JAILSVC_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JSV_ABI_MAJOR 1u
#define JSV_ABI_MINOR 3u

/* ---- operations ---------------------------------------------------------------------------- */

/* When an operation is applied; within a stage in the order of addition, and plugins in the order
 * of their names. The order of stages is the order in the child. */
typedef enum jsv_stage {
    JSV_STAGE_PARENT = 0,     /* before the clone, by the jailer: host directories, cgroups */
    JSV_STAGE_NAMESPACES = 1, /* given to clone3 or joined */
    JSV_STAGE_MOUNTS = 2,     /* in the new mount namespace, still with all capabilities */
    JSV_STAGE_PROCESS = 3,    /* session, limits, scheduling, working directory, environment */
    JSV_STAGE_IDENTITY = 4,   /* groups, uid, capabilities, securebits */
    JSV_STAGE_LOCKDOWN = 5    /* no_new_privs, Landlock, seccomp */
} jsv_stage;

/* What an operation does. `text`, `number` and `flags` of jsv_op mean per kind what the comment
 * says; unused ones are zero. Paths are absolute. "Host path" is resolved in the host's tree,
 * "jail path" below the jail's root, symlinks never leading out of it. */
typedef enum jsv_kind {
    /* JSV_STAGE_PARENT */
    JSV_OP_HOST_DIRECTORY = 1, /* make host path text[0] (parents too), mode number[0], owned by the
                                  unit's user; flags JSV_DIR_* */
    JSV_OP_CGROUP = 2,         /* since 1.2: in the unit's control group, file text[0] of cgroup v2
                                  ("memory.max") := text[1]; the core maps it where the machine has
                                  the controller on v1. An error where it cannot be had. */
    JSV_OP_PRESSURE = 3, /* since 1.2: when the unit's processes wait for a resource longer than the
                            trigger text[1] in the group's file text[0] of cgroup v2 says
                            ("memory.pressure", "some 150000 2000000": microseconds in a window),
                            JSV_PRESSURE_* number[0] is done, JSV_PRESSURE_SIGNAL with signal
                            number[1]. An error where it cannot be had. */
    JSV_OP_DEVICES = 4,  /* since 1.2: the unit's processes may open and make no devices but those
                            that JSV_OP_DEV makes, there or not, those of JSV_OP_DEVICE, and what
                            operations of this kind name:
                            device text[0] ("c 10:229", "b 8:*"; empty: none) with access text[1]
                            (of "rwm", m for mknod); JSV_DEVICES_DEFAULT */
    JSV_OP_NET_EDGE = 6, /* since 1.2: the jail may open connections to port number[0] of unit
                            text[0] ("host": of the host), protocol number[1] IPPROTO_* */
    JSV_OP_NET_FORWARD = 7, /* since 1.2: port number[0] of the host's addresses leads to the jail's
                               port number[1], protocol number[2] IPPROTO_* */
    JSV_OP_EGRESS = 8, /* since 1.3: the unit's proxy, the instance of its plugin's `companion` that
                          is the unit's, may connect to text[0] ("example.org:443",
                          "*.example.org:443"); it is reached by a Unix socket, and by port
                          number[0] of the jail's loopback, which is one of its own, up. One of them
                          or many, with the same port. */
    /* JSV_STAGE_NAMESPACES */
    JSV_OP_NAMESPACE = 10,    /* new namespace of the CLONE_NEW* type number[0] */
    JSV_OP_ID_MAP = 11,       /* user namespace maps: text[0] uid_map, text[1] gid_map content;
                                 JSV_ID_MAP_OWN */
    JSV_OP_NETWORK = 12,      /* since 1.2: network namespace of its own, made for it or taken from
                                 those made ahead, with number[0] JSV_NET_* in it; with JSV_NET_PRIVATE
                                 text[0]      is the range of addresses, "10.213.0.0/16" */
    JSV_OP_NETWORK_JOIN = 13, /* since 1.2: the network namespace that unit text[0] has */
    /* JSV_STAGE_MOUNTS */
    JSV_OP_HOSTNAME = 20, /* text[0] */
    JSV_OP_ROOT = 21,     /* the jail's root is a recursive bind of host path text[0]; JSV_MOUNT_*;
                             exactly one, before any other mount operation. Pivoted to at the end of
                             the stage. */
    JSV_OP_BIND = 22,     /* host path text[0] recursively at jail path text[1]; JSV_MOUNT_* */
    JSV_OP_TMPFS = 23,    /* new tmpfs at jail path text[0], size number[0] bytes, mode number[1];
                             JSV_MOUNT_* */
    JSV_OP_PROC = 24,     /* new proc at jail path text[0], hidepid number[0] (0..2), JSV_MOUNT_* */
    JSV_OP_DEV = 25,      /* minimal /dev (null zero full random urandom tty, fd std*, shm, pts) at
                             jail path text[0] */
    JSV_OP_DEVICE = 26,   /* host device text[0] at the same jail path below JSV_OP_DEV's mount */
    JSV_OP_MASK = 27,     /* jail path text[0] is hidden: an empty read-only directory or file;
                             absent paths are passed over if JSV_MOUNT_OPTIONAL */
    JSV_OP_READ_ONLY = 28, /* jail path text[0] and every mount below it become read-only */
    JSV_OP_SYSCTL = 29,    /* private proc's sys/text[0] := text[1] */
    JSV_OP_FILE = 30,      /* root-owned read-only file with content text[1] at jail path text[0] */
    JSV_OP_VIEW = 31,   /* since 1.2: the jail's root becomes a new, empty, read-only tree, to which
                           JSV_OP_REVEAL brings parts of the one that all other mount operations
                           have made; applied after those, whatever their plugins' names */
    JSV_OP_REVEAL = 32, /* since 1.2, after JSV_OP_VIEW: jail path text[0] is there, with every
                           mount below it and the symbolic links on the way; JSV_MOUNT_READ_ONLY,
                           JSV_MOUNT_NOEXEC, JSV_MOUNT_OPTIONAL */
    JSV_OP_SYSFS = 33, /* since 1.2: new sysfs at jail path text[0], JSV_MOUNT_*: it shows the
                          interfaces of the jail's network namespace, which must be its own, and
                          one that belongs to no user namespace of the jail's */
    JSV_OP_CREDENTIALS = 34, /* since 1.2: a file system in memory that is never swapped, of the
                                jail alone, at jail path text[0], which is made in a tree that can
                                be written: mode 0500, the unit's user's, read-only, with one file,
                                mode 0400, for each JSV_OP_CREDENTIAL; a command may take number[0]
                                nanoseconds. Shown in a view and open to Landlock without more. */
    JSV_OP_CREDENTIAL = 35,  /* since 1.2, after JSV_OP_CREDENTIALS: its file text[0] holds what
                                text[1] leads to at each start, number[0] JSV_CREDENTIAL_*. What it
                                is never comes into a plan. */
    /* JSV_STAGE_PROCESS */
    JSV_OP_RLIMIT = 40,      /* RLIMIT_* number[0], soft number[1], hard number[2] */
    JSV_OP_NICE = 41,        /* number[0], as a two's complement int */
    JSV_OP_OOM_SCORE = 42,   /* number[0], as a two's complement int */
    JSV_OP_UMASK = 43,       /* number[0] */
    JSV_OP_CHDIR = 44,       /* jail path text[0] */
    JSV_OP_ENVIRONMENT = 45, /* text[0] := text[1] in the program's environment; JSV_ENV_SECRET */
    JSV_OP_SESSION = 46,     /* setsid(2) */
    /* JSV_STAGE_IDENTITY */
    JSV_OP_IDS = 60,          /* uid number[0], gid number[1]; supplementary gids in `blob` (uint32
                                 each). JSV_IDS_DYNAMIC: the jailer puts an allocated uid and gid in
                                 their place */
    JSV_OP_CAPABILITIES = 61, /* bit sets: bounding number[0], permitted and effective number[1],
                                 ambient and inheritable number[2] */
    JSV_OP_SECUREBITS = 62,   /* number[0] */
    /* JSV_STAGE_LOCKDOWN */
    JSV_OP_NO_NEW_PRIVS = 80,
    JSV_OP_LANDLOCK =
        81, /* since 1.2: the program is confined by a Landlock ruleset that handles
               the LANDLOCK_ACCESS_FS_* number[0], LANDLOCK_ACCESS_NET_*
               number[1] and LANDLOCK_SCOPE_* number[2]; JSV_LANDLOCK_SCOPE_IF_KNOWN */
    JSV_OP_LANDLOCK_PATH = 82, /* since 1.2: it allows the LANDLOCK_ACCESS_FS_* number[0] at and
                                  below jail path text[0]; JSV_MOUNT_OPTIONAL */
    JSV_OP_LANDLOCK_PORT = 83, /* since 1.2: it allows the LANDLOCK_ACCESS_NET_* number[1] on port
                                  number[0] */
    JSV_OP_SECCOMP = 84, /* since 1.2: the system call filter in `blob`, struct sock_filter each
                           (linux/filter.h), applied last of all; needs JSV_OP_NO_NEW_PRIVS, and one
                           a plan. text[0] what it permits and text[1] what becomes of the rest, for
                           people; where number[0] is not 0, comparisons with it are made with the
                           program's own pid instead. It must let execve, execveat, sendto without
                           an address, read and exit_group pass: the core makes them after it.
                           JSV_SECCOMP_* */
    JSV_OP_SECCOMP_MAIN =
        85 /* since 1.2: a second filter, described as the first, which the program gets when its
              loader is done, at main: jailsvc-main.so of the directory "preload", which has to be
              preloaded, installs it. A program in which that does not happen is ended. The first
              filter must be JSV_SECCOMP_EXEC_ONCE, and both let pass what that object calls:
              read, getpid, sendto without an address, close, exit_group, and the first of them
              seccomp(2) with a filter and without a listener. */
} jsv_kind;

#define JSV_MOUNT_READ_ONLY 1u
#define JSV_MOUNT_NOSUID 2u
#define JSV_MOUNT_NODEV 4u
#define JSV_MOUNT_NOEXEC 8u
#define JSV_MOUNT_CREATE 16u   /* make a missing mount point (a directory) below the root first */
#define JSV_MOUNT_OPTIONAL 32u /* an absent source or target is passed over, not an error */

/* Since 1.2, with JSV_ID_MAP_OWN, else without effect: an id-mapped mount (mount_setattr(2)). Of
 * JSV_OP_ROOT: ids are counted from the owner of text[0], who is 0 in the jail; an error where the
 * file system cannot map. Of JSV_OP_BIND, whose source a JSV_OP_HOST_DIRECTORY makes: that belongs on
 * the host to the uid that the unit alone has, and in the jail to the unit's user. */
#define JSV_MOUNT_IDMAP 64u

/* Since 1.2: ids outside count from the first of 65536 that the unit alone has, and keeps. */
#define JSV_ID_MAP_OWN 1u

#define JSV_LANDLOCK_SCOPE_IF_KNOWN                                  \
    1u /* scopes that the running kernel does not know are left out, \
          and reported */

#define JSV_PRESSURE_LOG 0u
#define JSV_PRESSURE_RESTART 1u
#define JSV_PRESSURE_STOP 2u
#define JSV_PRESSURE_SIGNAL 3u

/* Only in a plan with JSV_OP_DEV, and left out where the machine has no means for it. */
#define JSV_DEVICES_DEFAULT 1u

#define JSV_DIR_RECREATE 1u /* emptied before each start, removed at teardown */

#define JSV_NET_NONE 0u     /* nothing but a loopback that is down */
#define JSV_NET_LOOPBACK 1u /* the same, up */
#define JSV_NET_PRIVATE 2u  /* and an interface to other jails, as edges and forwards allow */

#define JSV_IDS_DYNAMIC 1u

/* The program is executed and can then never execute again, nor can any process it makes. */
#define JSV_SECCOMP_EXEC_ONCE 1u
/* A program that was given a Unix socket (as a standard stream, or passed) is not started: the
 * filter lets pass what sends descriptors over one. */
#define JSV_SECCOMP_NO_UNIX_SOCKETS 2u
/* No barrier: the filter's verdict SECCOMP_RET_USER_NOTIF has a call recorded and let go on. Not
 * with JSV_SECCOMP_EXEC_ONCE. It must let close pass too. */
#define JSV_SECCOMP_LEARN 4u

/* Host path of a file that only root can write and not everybody read; of one that `jailsvc creds
 * encrypt` has made; path and arguments, divided by single spaces, of a program that writes it. */
#define JSV_CREDENTIAL_FILE 0u
#define JSV_CREDENTIAL_ENCRYPTED 1u
#define JSV_CREDENTIAL_COMMAND 2u

#define JSV_ENV_SECRET 1u /* the value is left out where plans are printed */

typedef struct jsv_op {
    uint32_t size;  /* sizeof(jsv_op) of the plugin's header */
    uint16_t kind;  /* jsv_kind */
    uint16_t stage; /* jsv_stage; must be the kind's own */
    uint32_t flags;
    uint32_t blob_size; /* [bytes] */
    uint64_t number[3];
    const char* text[2]; /* NUL-terminated UTF-8, or NULL for an empty one */
    const void* blob;
    const char* key; /* the key of the plugin's table that asked for this ("binds"), or NULL; an
                        entry "NAME.key" in [jail] optional makes the operation optional */
} jsv_op;

/* ---- schema -------------------------------------------------------------------------------- */

typedef enum jsv_type {
    JSV_BOOL = 0,
    JSV_INTEGER = 1,
    JSV_STRING = 2,
    JSV_STRING_LIST = 3,
    JSV_DURATION = 4,
    JSV_BYTES = 5,
    JSV_STRING_MAP = 6
} jsv_type;

typedef struct jsv_key {
    uint32_t size;        /* sizeof(jsv_key); also the stride of the array */
    uint32_t type;        /* jsv_type */
    const char* name;     /* [a-z][a-z0-9_]*; since 1.2 also "*" (JSV_STRING_MAP): every name of the
                             table that is not of that form, each with a string: get_entry("*") */
    const char* fallback; /* the default as one would write it in TOML, or NULL */
    const char* doc;      /* one line */
    const char* choices;  /* allowed strings, separated by '|', or NULL */
} jsv_key;

/* ---- what the core offers a plugin --------------------------------------------------------- */

/* All functions return 0 or a negative errno: -ENOENT for an absent key, -EINVAL for a misuse.
 * Strings handed out live until `plan` returns. */
typedef struct jsv_host {
    uint32_t size;
    uint32_t reserved;
    void* ctx; /* first argument of every function */

    /* [plan] One key of the plugin's own table in the effective unit. */
    int (*get_bool)(void* ctx, const char* key, int* value);
    int (*get_integer)(void* ctx, const char* key, int64_t* value);
    int (*get_string)(void* ctx, const char* key, const char** value);
    int (*get_bytes)(void* ctx, const char* key, uint64_t* value);
    int (*get_duration)(void* ctx, const char* key, uint64_t* nanoseconds);
    /* i-th element of a list, or name and value of the i-th entry of a map (sorted by name);
     * -ENOENT past the end or for an absent key. */
    int (*get_element)(void* ctx, const char* key, size_t i, const char** value);
    int (*get_entry)(void* ctx, const char* key, size_t i, const char** name, const char** value);

    /* [plan] A key of another table ("identity", "user"), read-only; for plugins whose operations
     * depend on each other. */
    int (*get_other_string)(void* ctx, const char* table, const char* key, const char** value);
    int (*get_other_bool)(void* ctx, const char* table, const char* key, int* value);

    /* [plan] Facts: the unit's name and instance; directories of this installation that no jail may
     * see (i from 0 until -ENOENT). */
    const char* (*unit_name)(void* ctx);
    int (*private_directory)(void* ctx, size_t i, const char** path);
    /* [plan] Root below which "state", "runtime", "cache", "logs" directories of units are made;
     * since 1.2 "hosts": the directory that holds, by unit's name, the /etc/hosts of
     * JSV_NET_PRIVATE; "preload": the one of JSV_OP_SECCOMP_MAIN's object. */
    int (*directory_root)(void* ctx, const char* what, const char** path);

    /* [plan] Appends a deep copy of `op` to the plan. -EINVAL (with the reason reported): unknown
     * kind, wrong stage, missing or relative path. */
    int (*add_op)(void* ctx, const jsv_op* op);

    /* [plan] Refuses the unit: reports "file: [jail.NAME] key: message" and returns -ECANCELED for
     * `plan` to return. `key` may be NULL. */
    int (*fail)(void* ctx, const char* key, const char* message);

    /* Since 1.1; an older core's jsv_host ends here, as its size tells. */

    /* [plan] 1 if the effective unit has this key of the plugin's own table, be it as an empty list
     * or map, which get_element and get_entry cannot tell from an absent key; 0 if not; -EINVAL for
     * a key that is not in the schema. */
    int (*has_key)(void* ctx, const char* key);
    /* [plan] Name of the profile that the unit is made from. */
    const char* (*profile_name)(void* ctx);

    /* Since 1.2. */

    /* [plan] Programs that the unit's commands name, each once: i from 0 until -ENOENT. Paths of
     * the jail. */
    int (*program)(void* ctx, size_t i, const char** path);
} jsv_host;

/* ---- what a plugin exports ----------------------------------------------------------------- */

/* One probe of `doctor`: really does the thing. */
typedef struct jsv_probe {
    uint32_t size;
    int32_t outcome; /* 1 works, 0 does not, -1 not applicable here */
    char name[64];
    char hint[192]; /* the cure, where outcome is 0 */
} jsv_probe;

typedef struct jsv_plugin {
    uint32_t size; /* sizeof(jsv_plugin) of the plugin's header */
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t key_count;
    const char* name; /* [a-z][a-z0-9_]*, at most 31 bytes; names its table */
    const char* version;
    const char* doc; /* one line about the table */
    const jsv_key* keys;

    /* [plan] Appends the unit's operations. 0, or a negative errno after host->fail. Called for
     * every unit, also for one without the plugin's table (all keys absent). */
    int (*plan)(const jsv_host* host);

    /* The rest may be NULL, and is [parent] but for doctor. `unit` is the unit's name. */
    int (*prepare)(const char* unit); /* once per loaded plan, before its first start */
    int (*started)(const char* unit, int32_t pid); /* after the program's exec */
    /* Writes "name value\n" lines (OpenMetrics-like) to `text`; returns their length, or < 0. */
    int (*stats)(const char* unit, int32_t pid, char* text, size_t size);
    /* [probe] i-th probe; -ENOENT past the end. Called in a process of its own that ends
     * afterwards: it may enter namespaces, drop what it has, and crash; it must leave nothing on
     * the machine. */
    int (*doctor)(size_t i, jsv_probe* probe);
    int (*teardown)(const char* unit); /* after the last process of the unit is gone */
    /* Since 1.2: the name of its table in a unit file, where that is not below [jail]; then
     * profiles have no such table, and no part of it can be optional. NULL: "jail.NAME". Since 1.3
     * also one below another's, "jail.network.egress"; no part of that can be optional either. */
    const char* table;
    /* Since 1.3: a unit that has a key of the plugin's table wants, and comes after, an instance of
     * its own of the template `companion`@: egress@web for web. NULL: it needs none. */
    const char* companion;
} jsv_plugin;

/* The one exported function. Returns a struct with static lifetime. */
typedef const jsv_plugin* (*jsv_plugin_entry_fn)(void);
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const jsv_plugin*
jailsvc_plugin_entry(void);

#ifdef __cplusplus
}
#endif

#endif /* JAILSVC_PLUGIN_H */
