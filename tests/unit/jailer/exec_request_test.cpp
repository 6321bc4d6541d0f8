#include "jailer/loop/exec_request.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "base/sys.hpp"
#include "ipc/channel.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;
using namespace std::string_literals;

namespace {

std::string packet(std::uint32_t argc, std::uint32_t envc, const std::string& strings,
                   std::uint64_t magic = ipc::ExecRequest::kMagic) {
    ipc::ExecRequest head{magic, argc, envc, {}, 0, 0};
    ipc::set_text(head.unit, "web");
    std::string bytes(sizeof head, '\0');
    std::memcpy(bytes.data(), &head, sizeof head);
    return bytes + strings;
}

struct Pair {
    explicit Pair(bool pass_credentials) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        client = Fd(ends[0]);
        jailer = Fd(ends[1]);
        const int on = 1;
        for (const int end : ends) {
            if (pass_credentials) {
                REQUIRE(::setsockopt(end, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
            }
        }
    }
    /// Sends the bytes with `count` descriptors.
    void send(const std::string& bytes, std::size_t count) const {
        int fds[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        alignas(cmsghdr) char space[CMSG_SPACE(sizeof fds)] = {};
        iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (count > 0) {
            message.msg_control = space;
            message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
            cmsghdr* c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int) * count);
            std::memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
        }
        REQUIRE(::sendmsg(client.get(), &message, 0) == static_cast<ssize_t>(bytes.size()));
    }
    Fd client;
    Fd jailer;
};

const std::string kList = packet(2, 1, "ls\0-l\0TERM=dumb\0"s);

}  // namespace

TEST_CASE("exec: a request is read as it was meant", "[jailer]") {
    const auto request = parse_exec_request(kList);
    REQUIRE(request);
    CHECK(request->argv == std::vector<std::string>{"ls", "-l"});
    CHECK(request->unit == "web");
    CHECK(request->environment == std::vector<std::string>{"TERM=dumb"});
}

TEST_CASE("exec: a malformed request is refused", "[jailer]") {
    const std::string bytes =
        GENERATE(""s, "short"s, packet(1, 0, "ls"s), packet(2, 0, "ls\0"s), packet(0, 0, ""s),
                 packet(1, 0, "ls\0x\0"s), packet(1, 0, "\0"s), packet(1, 0, "ls\0"s, 7),
                 packet(4097, 0, "ls\0"s), packet(0xffffffff, 1, "ls\0"s),
                 packet(1, 0xffffffff, "ls\0"s), packet(1, 1, "ls\0novalue\0"s),
                 packet(1, 1, "ls\0=x\0"s), std::string(ipc::kMaxExecRequest + 1, 'x'));
    CHECK_FALSE(parse_exec_request(bytes));
}

TEST_CASE("exec: every cut and every flipped byte of a request is survived", "[jailer]") {
    for (std::size_t i = 0; i < kList.size(); ++i) {
        CHECK_FALSE(parse_exec_request(kList.substr(0, i)));
        std::string flipped = kList;
        flipped[i] = static_cast<char>(flipped[i] ^ 0xff);
        (void)parse_exec_request(flipped);
    }
}

TEST_CASE("exec: only the kernel's word for the sender counts", "[jailer]") {
    SECTION("with credentials and three descriptors it is taken") {
        const Pair pair(true);
        CHECK(receive_exec_request(pair.jailer.get(), ::geteuid()).value() == std::nullopt);
        pair.send(kList, 3);
        const auto request = receive_exec_request(pair.jailer.get(), ::geteuid());
        REQUIRE(request);
        REQUIRE(*request);
        CHECK((*request)->stdio[2].get() >= 0);
    }
    SECTION("without credentials it is refused") {
        const Pair pair(false);
        pair.send(kList, 3);
        CHECK_FALSE(receive_exec_request(pair.jailer.get(), ::geteuid()));
    }
    SECTION("with another number of descriptors it is refused") {
        const Pair pair(true);
        pair.send(kList, GENERATE(0U, 2U, 4U, 8U));
        CHECK_FALSE(receive_exec_request(pair.jailer.get(), ::geteuid()));
    }
    SECTION("from another user it is refused") {
        if (::geteuid() == 0) return;  // credentials below: a root test says so in tests/jail
        const Pair pair(true);
        pair.send(kList, 3);
        CHECK_FALSE(receive_exec_request(pair.jailer.get(), ::geteuid() + 1));
    }
    SECTION("a client that hung up is an error, not an endless wait") {
        Pair pair(true);
        pair.client = Fd();
        CHECK_FALSE(receive_exec_request(pair.jailer.get(), ::geteuid()));
    }
}

TEST_CASE("lend: descriptors are taken from whom the kernel names, for one unit", "[jailer]") {
    ipc::LendRequest lend{};
    lend.magic = ipc::LendRequest::kMagic;
    ipc::set_text(lend.unit, "job");
    const std::string bytes(reinterpret_cast<const char*>(&lend), sizeof lend);
    SECTION("with credentials") {
        const Pair pair(true);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()).value());
        pair.send(bytes, 3);
        const auto lent = receive_lend_request(pair.jailer.get(), ::geteuid());
        REQUIRE(lent);
        REQUIRE(lent->has_value());
        CHECK((*lent)->unit == "job");
        CHECK((*lent)->stdio[2].get() >= 0);
    }
    SECTION("without") {
        const Pair pair(false);
        pair.send(bytes, 3);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
    }
    SECTION("too few descriptors, another size, another request") {
        const Pair pair(true);
        pair.send(bytes, 2);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
        pair.send(bytes + "x", 3);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
        pair.send(bytes + "xy", 3);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
        pair.send(std::string(sizeof lend, 'a'), 3);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
        pair.send(kList, 3);
        CHECK_FALSE(receive_lend_request(pair.jailer.get(), ::geteuid()));
    }
}

TEST_CASE("exec: a bare name is found along PATH, links staying inside the root", "[jailer]") {
    char root[] = "/tmp/jailsvc-root-XXXXXX";
    REQUIRE(::mkdtemp(root) != nullptr);
    const std::string base(root);
    std::filesystem::create_directories(base + "/bin/dir");
    REQUIRE(sys::replace_file(base + "/bin/tool", "", 0755));
    REQUIRE(sys::replace_file(base + "/bin/text", "", 0644));
    std::filesystem::create_symlink("/bin/tool", base + "/bin/inside");
    std::filesystem::create_symlink("../../../../../../etc/hostname", base + "/bin/outside");
    const Fd dir(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto find = [&](const char* name) { return find_program(dir.get(), name, "/usr:/bin"); };
    CHECK(find("tool").value() == "/bin/tool");
    CHECK(find("inside").value() == "/bin/inside");
    CHECK(find("/any/where").value() == "/any/where");
    CHECK_FALSE(find("text"));
    CHECK_FALSE(find("dir"));
    CHECK_FALSE(find("outside"));
    CHECK_FALSE(find("bin/tool"));
    CHECK_FALSE(find("absent"));
    std::filesystem::remove_all(base);
}
