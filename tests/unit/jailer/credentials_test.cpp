#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/sys.hpp"
#include "jailer/credentials/complaint.hpp"
#include "jailer/credentials/declared.hpp"
#include "jailer/credentials/encrypted_file.hpp"
#include "jailer/credentials/secret_file.hpp"
#include "jailer/plan/credential_access.hpp"
#include "jailer/plan/credential_limits.hpp"
#include "jailer/plan/plan_check.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

class OwnDirectory : public jailsvc::test::TempFolder {
public:
    OwnDirectory() : TempFolder("credentials") {}
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0400) const {
        ::unlink(at(name).c_str());  // which may not be writable
        return TempFolder::write(name, text, mode);
    }
};

std::span<const unsigned char> bytes_of(std::string_view text) {
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}
std::string text_of(const Secret& secret) {
    return {reinterpret_cast<const char*>(secret.bytes().data()), secret.bytes().size()};
}

HostKey key_in(const OwnDirectory& directory) {
    auto key = HostKey::open(directory.path() + "/credential.key", HostKey::Absent::kIsMade);
    REQUIRE(key);
    return std::move(*key);
}

Result<std::string> refusal(const Result<Fd>& opened) {
    if (opened) return fail("was opened");
    return opened.error().message;
}

Op op_of(jsv_kind kind, std::array<std::string, 2> text, std::uint64_t number = 0) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.text = std::move(text);
    op.number[0] = number;
    op.plugin = "credentials";
    return op;
}

}  // namespace

TEST_CASE("credentials: names are file names without surprises", "[credentials]") {
    for (const char* good : {"db", "db_password", "TLS.key", "a-b", "7"}) {
        CHECK(is_credential_name(good));
    }
    for (const char* bad : {"", ".", "..", ".hidden", "-x", "a/b", "a b", "a\n", "ü"}) {
        CHECK_FALSE(is_credential_name(bad));
    }
    CHECK(is_credential_name(std::string(64, 'x')));
    CHECK_FALSE(is_credential_name(std::string(65, 'x')));
}

TEST_CASE("credentials: a host's key is made once, for its owner's eyes", "[credentials]") {
    const OwnDirectory directory;
    const std::string path = directory.path() + "/credential.key";
    const auto absent = HostKey::open(path, HostKey::Absent::kIsError);
    REQUIRE_FALSE(absent);
    CHECK(absent.error().message.find("jailsvc creds encrypt makes it") != std::string::npos);
    const std::string id = key_in(directory).id();
    CHECK(id.size() == 16);
    CHECK(key_in(directory).id() == id);
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0400);
    CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);

    REQUIRE(::chmod(path.c_str(), 0440) == 0);
    const auto open = HostKey::open(path, HostKey::Absent::kIsMade);
    REQUIRE_FALSE(open);
    CHECK(open.error().message.find("lets others read") != std::string::npos);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    REQUIRE(::truncate(path.c_str(), 31) == 0);
    const auto cut = HostKey::open(path, HostKey::Absent::kIsMade);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().message.find("cut short") != std::string::npos);
}

TEST_CASE("credentials: what is encrypted comes back, and only as it was", "[credentials]") {
    const OwnDirectory directory;
    const HostKey key = key_in(directory);
    for (const std::string& plain :
         {std::string(), std::string("s3cret"), std::string("\0\n\xff", 3),
          std::string(kMaxCredential, 'x')}) {
        const auto text = key.encrypt("db", bytes_of(plain));
        REQUIRE(text);
        CHECK(text->starts_with("jailsvc-credential 1 db " + key.id() + "\n"));
        CHECK((plain.empty() || text->find(plain) == std::string::npos));
        CHECK(text->size() <= kMaxEncrypted);
        const auto back = key.decrypt(*text, "db.cred");
        REQUIRE(back);
        CHECK(text_of(*back) == plain);
    }
    CHECK(*key.encrypt("db", bytes_of("x")) != *key.encrypt("db", bytes_of("x")));
    CHECK_FALSE(key.encrypt("../db", bytes_of("x")));
}

TEST_CASE("credentials: an encrypted text that was changed anywhere is refused", "[credentials]") {
    const OwnDirectory directory;
    const HostKey key = key_in(directory);
    const std::string text = *key.encrypt("db", bytes_of("s3cret"));
    REQUIRE(key.decrypt(text, "f"));  // control
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        std::string other = text;
        other[i] = other[i] == 'A' ? 'B' : 'A';
        INFO(i << ": " << other);
        CHECK_FALSE(key.decrypt(other, "f"));
    }
    for (std::size_t size = 0; size + 1 < text.size(); ++size) {
        CHECK_FALSE(key.decrypt(text.substr(0, size), "f"));
    }
    CHECK_FALSE(key.decrypt(text + "QUJD", "f"));
}

TEST_CASE("credentials: another host's key does not open it, and says so", "[credentials]") {
    const OwnDirectory here, there;
    const std::string text = *key_in(there).encrypt("db", bytes_of("s3cret"));
    const auto opened = key_in(here).decrypt(text, "/etc/db.cred");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.find("/etc/db.cred: was encrypted for the host with key") == 0);
    // Nor does it with the other key's number forged.
    std::string forged = text;
    forged.replace(forged.find(key_in(there).id()), 16, key_in(here).id());
    CHECK_FALSE(key_in(here).decrypt(forged, "f"));
}

TEST_CASE("credentials: an encrypted file stands for one name alone", "[credentials]") {
    const OwnDirectory directory;
    const HostKey key = key_in(directory);
    const std::string key_path = directory.path() + "/credential.key";
    const std::string text = *key.encrypt("db", bytes_of("s3cret"));
    const std::string file = directory.write("db.cred", text, 0444);
    CHECK(text_of(*decrypt_file(key_path, file, "db")) == "s3cret");  // control
    const auto other = decrypt_file(key_path, file, "api");
    REQUIRE_FALSE(other);
    CHECK(other.error().message ==
          file + ": was encrypted as \"db\", not as \"api\"; encrypt it anew");
    std::string renamed = text;
    renamed.replace(renamed.find(" db "), 4, " api ");
    CHECK_FALSE(decrypt_file(key_path, directory.write("api.cred", renamed), "api"));
    CHECK_FALSE(decrypt_file(key_path, directory.write("w.cred", text, 0464), "db"));
}

TEST_CASE("credentials: files that others reach are refused by name", "[credentials]") {
    const OwnDirectory directory;
    const auto readers = Readers::kNotEverybody;
    CHECK(open_secret_file(directory.write("good", "x"), readers));  // control
    CHECK(open_secret_file(directory.write("group", "x", 0440), readers));

    const std::string all = directory.write("all", "x", 0444);
    CHECK(refusal(open_secret_file(all, readers))->starts_with(all + ": everybody can read it"));
    CHECK(open_secret_file(all, Readers::kAnybody));
    const std::string wide = directory.write("wide", "x", 0620);
    CHECK(refusal(open_secret_file(wide, readers))->starts_with(wide + ": writable by"));
    CHECK(*refusal(open_secret_file(directory.path() + "/none", readers)) ==
          directory.path() + "/none: No such file or directory");

    const std::string link = directory.path() + "/link";
    REQUIRE(::symlink("good", link.c_str()) == 0);
    CHECK(refusal(open_secret_file(link, readers))->starts_with(link + ": is a symbolic link"));
    const std::string fifo = directory.path() + "/fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0400) == 0);
    CHECK(*refusal(open_secret_file(fifo, readers)) == fifo + ": is no regular file");
    REQUIRE(::mkdir((directory.path() + "/folder").c_str(), 0700) == 0);
    CHECK(*refusal(open_secret_file(directory.path() + "/folder", readers)) ==
          directory.path() + "/folder: is no regular file");
}

TEST_CASE("credentials: directories that others can write are refused", "[credentials]") {
    const OwnDirectory directory;
    const std::string inner = directory.path() + "/inner";
    REQUIRE(::mkdir(inner.c_str(), 0700) == 0);
    const std::string file = directory.write("inner/db", "x");
    CHECK(open_secret_file(file, Readers::kAnybody));  // control
    REQUIRE(::chmod(inner.c_str(), 0770) == 0);
    CHECK(refusal(open_secret_file(file, Readers::kAnybody))->starts_with(inner + ": writable by"));
    // A file right in a directory for everybody could be a link to any other.
    REQUIRE(::chmod(inner.c_str(), 01777) == 0);
    CHECK(refusal(open_secret_file(file, Readers::kAnybody))->starts_with(inner + ": writable by"));
    REQUIRE(::chmod(inner.c_str(), 0700) == 0);
    const std::string link = directory.path() + "/link";
    REQUIRE(::symlink("inner", link.c_str()) == 0);
    CHECK(refusal(open_secret_file(link + "/db", Readers::kAnybody))
              ->starts_with(link + ": is a symbolic link"));
    if (::geteuid() != 0) {
        WARN("skipped: another owner needs root");
        return;
    }
    REQUIRE(::chown(inner.c_str(), 64123, 64123) == 0);
    CHECK(
        refusal(open_secret_file(file, Readers::kAnybody))->starts_with(inner + ": owned by uid"));
}

TEST_CASE("credentials: what is read is bounded in size and time", "[credentials]") {
    const OwnDirectory directory;
    const auto read = [](const std::string& file, std::size_t limit) {
        const auto fd = sys::open(file, O_RDONLY);
        REQUIRE(fd);
        return read_secret(fd->get(), limit, file);
    };
    const std::string file = directory.write("ten", "0123456789");
    CHECK(text_of(*read(file, 10)) == "0123456789");
    const auto large = read(file, 9);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == EFBIG);
    CHECK(large.error().message.starts_with(file + ": has more than 9 bytes"));
    CHECK_FALSE(read("/dev/zero", 4096));

    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd out(ends[0]), in(ends[1]);
    const auto late = read_secret(out.get(), 10, "pipe",
                                  std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
    REQUIRE_FALSE(late);
    CHECK(late.error().code == ETIMEDOUT);
}

TEST_CASE("credentials: a plan has one directory and each name once", "[credentials][plan]") {
    const auto plan_with = [](std::vector<Op> more) {
        Plan plan{.unit = "web", .digest = {}, .ops = {}, .environment = {}};
        plan.ops.push_back(op_of(JSV_OP_NAMESPACE, {}, 0x20000));  // CLONE_NEWNS
        plan.ops.push_back(op_of(JSV_OP_ROOT, {"/", ""}));
        for (Op& op : more) plan.ops.push_back(std::move(op));
        return check_plan(plan);
    };
    const Op directory = op_of(JSV_OP_CREDENTIALS, {"/run/credentials/web", ""}, 1);
    const Op one = op_of(JSV_OP_CREDENTIAL, {"db", "/etc/db"});
    CHECK(plan_with({directory, one}));
    CHECK_FALSE(plan_with({one}));
    CHECK_FALSE(plan_with({directory, directory}));
    CHECK_FALSE(plan_with({directory, one, one}));
    CHECK_FALSE(plan_with({directory, op_of(JSV_OP_CREDENTIAL, {"a/b", "/etc/db"})}));
    CHECK_FALSE(plan_with({directory, op_of(JSV_OP_CREDENTIAL, {"db", "etc/db"})}));
    CHECK_FALSE(plan_with({directory, op_of(JSV_OP_CREDENTIAL, {"db", "/etc/../db"})}));
    CHECK_FALSE(plan_with({directory, op_of(JSV_OP_CREDENTIAL, {"db", "/etc/db"}, 3)}));
    CHECK(plan_with(
        {directory, op_of(JSV_OP_CREDENTIAL, {"db", "/bin/get ../x"}, JSV_CREDENTIAL_COMMAND)}));
    CHECK_FALSE(plan_with({op_of(JSV_OP_CREDENTIALS, {"/", ""}, 1)}));
    CHECK_FALSE(plan_with({op_of(JSV_OP_CREDENTIALS, {"/run/c", ""}, kMaxCommandNs + 1)}));
    std::vector<Op> many{directory};
    for (std::size_t i = 0; i <= kMaxCredentials; ++i) {
        many.push_back(op_of(JSV_OP_CREDENTIAL, {"n" + std::to_string(i), "/etc/db"}));
    }
    CHECK_FALSE(plan_with(many));
    many.pop_back();
    CHECK(plan_with(many));
}

TEST_CASE("credentials: a view shows them and Landlock lets them be read", "[credentials][plan]") {
    std::vector<Op> ops{op_of(JSV_OP_CREDENTIALS, {"/run/credentials/web", ""}, 1)};
    std::vector<Op> alone = ops;
    open_to_credentials(alone);
    CHECK(alone == ops);  // nothing stands between
    ops.push_back(op_of(JSV_OP_VIEW, {}));
    ops.push_back(op_of(JSV_OP_LANDLOCK, {}, 0x1ffff));
    ops.back().optional = true;
    open_to_credentials(ops);
    REQUIRE(ops.size() == 5);
    CHECK(ops[3].kind == JSV_OP_REVEAL);
    CHECK(ops[3].text[0] == "/run/credentials/web");
    CHECK(ops[4].kind == JSV_OP_LANDLOCK_PATH);
    CHECK(ops[4].optional);
    std::vector<Op> none{op_of(JSV_OP_VIEW, {})};
    open_to_credentials(none);
    CHECK(none.size() == 1);
}

TEST_CASE("credentials: what a command complains of is told, but nothing that it wrote",
          "[jailer][S0.15]") {
    const auto told = [](const std::string& complaint, const std::string& output) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        const Fd reader(ends[0]);
        const Fd writer(ends[1]);  // still open: nothing is waited for
        REQUIRE(::write(ends[1], complaint.data(), complaint.size()) ==
                static_cast<ssize_t>(complaint.size()));
        return jailer::complaint(
            reader.get(), {reinterpret_cast<const unsigned char*>(output.data()), output.size()});
    };
    CHECK(told("", "") == "");
    CHECK(told(" \n\n", "x") == "");
    CHECK(told("one\ntwo three\n \n", "") == "two three");
    CHECK(told("bell \a and \xc3\xa9\n", "") == "bell ? and ??");
    CHECK(told(std::string(1000, 'x'), "").size() == jailer::kMaxComplaint);
    const std::string withheld = "its complaint is withheld, since it repeats what it wrote";
    CHECK(told("got s3cret, wanted more", "s3cret\n") == withheld);
    CHECK(told("of two: s3cret2", "user s3cret2\n") == withheld);
    CHECK(told("pin is 12", "12\n") == withheld);  // a short one, which is all there is
    CHECK(told("no key for it", "a no key1") == "no key for it");  // control: short words may be
}
