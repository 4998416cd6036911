// FTP of a real server and a real client through NAT: active and passive, up and down, over both
// families, on port 21 and on another, with established packets forwarded in the kernel or by the
// engine.
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/lab/lab_test.h"
#include "tests/lab/xvsd_fixture.h"

namespace xvs::lab {
namespace {

using net::Family;

constexpr std::size_t kTransfer = 3'000'000;
constexpr std::uint16_t kPorts[] = {21, 2121};

class Ftp : public testing::TestWithParam<FastPath> {
protected:
    void SetUp() override {
        auto built = build_bare(model::ForwardingMethod::Masquerade, 2);
        ASSERT_TRUE(built) << built.error().context;
        lab_.emplace(std::move(*built));
        auto arguments = arguments_of(GetParam());
        arguments.insert(arguments.end(), {"--ftp-ports", "21,2121"});
        ASSERT_OK(lab_->start_director(arguments));
        for (const Family family : {Family::Ipv4, Family::Ipv6}) {
            for (const std::uint16_t port : kPorts) {
                const auto vip = endpoint(lab_->plan().vip.of(family), port).to_string();
                ASSERT_OK(lab_->xvsadm("-A -t " + vip + " -s rr"));
                for (const DualAddress& real : lab_->plan().real_servers)
                    ASSERT_OK(lab_->xvsadm("-a -t " + vip + " -r " +
                                           endpoint(real.of(family), 21).to_string() + " -m"));
            }
        }
        make_files();
        for (std::size_t index = 0; index < lab_->plan().real_servers.size(); ++index)
            start_server(Plan::real_server_name(index));
    }

    void TearDown() override {
        for (Process& each : servers_)
            each.stop();
        if (HasFailure() && lab_) {
            std::cerr << lab_->xvsadm("-L -n -c").value_or("no listing\n")
                      << "xvsd: " << lab_->last_words("xvsd") << "\n";
        }
        if (!root_.empty()) std::filesystem::remove_all(root_);
    }

    // What anonymous users see, and where they may write.
    void make_files() {
        root_ = std::filesystem::temp_directory_path() / unique_name("ftp");
        std::filesystem::create_directories(root_ / "anonymous" / "incoming");
        std::filesystem::create_directories(root_ / "empty");
        std::filesystem::permissions(root_, std::filesystem::perms(0755));
        std::filesystem::permissions(root_ / "anonymous" / "incoming",
                                     std::filesystem::perms(0777));
        std::string bytes(kTransfer, '\0');
        for (std::size_t at = 0; at < bytes.size(); ++at)
            bytes[at] = static_cast<char>(at * 7 + at / 251);
        std::ofstream(root_ / "anonymous" / "file", std::ios::binary) << bytes;
        bytes_ = std::move(bytes);
    }

    void start_server(const std::string& node) {
        const auto file = root_ / (node + ".conf");
        std::ofstream(file) << "listen=NO\nlisten_ipv6=YES\nbackground=NO\n"
                            << "anonymous_enable=YES\nlocal_enable=NO\nno_anon_password=YES\n"
                            << "write_enable=YES\nanon_upload_enable=YES\nanon_umask=022\n"
                            << "connect_from_port_20=YES\nseccomp_sandbox=NO\n"
                            << "pasv_promiscuous=NO\nxferlog_enable=NO\n"
                            << "anon_root=" << (root_ / "anonymous").string() << "\n"
                            << "secure_chroot_dir=" << (root_ / "empty").string() << "\n";
        auto started = lab_->node(node).start({"vsftpd", file.string()}, root_ / (node + ".log"));
        ASSERT_TRUE(started) << started.error().context;
        servers_.push_back(std::move(*started));
        EXPECT_TRUE(comes_true([&] {
            const auto listed = lab_->node(node).run_checked(command("ss -Hlnt sport = :21"));
            return listed && !listed->empty();
        }));
    }

    [[nodiscard]] std::string url(Family family, std::uint16_t port, const std::string& path) {
        return "ftp://" + endpoint(lab_->plan().vip.of(family), port).to_string() + "/" + path;
    }

    void curl(std::vector<std::string> arguments, const std::string& url) {
        arguments.insert(arguments.begin(), {"curl", "-sS", "-g", "--max-time", "20"});
        arguments.push_back(url);
        EXPECT_OK(lab_->node("client").run_checked(arguments));
    }

    // A file there and back.
    void transfer(Family family, std::uint16_t port, std::vector<std::string> how) {
        SCOPED_TRACE(url(family, port, "") + " " + to_string(how));
        const std::string name = "upload-" + std::to_string(++uploads_);
        auto down = how;
        down.insert(down.end(), {"-o", (root_ / "down").string()});
        curl(down, url(family, port, "file"));
        EXPECT_TRUE(contents(root_ / "down") == bytes_);
        how.insert(how.end(), {"-T", (root_ / "anonymous" / "file").string()});
        curl(how, url(family, port, "incoming/" + name));
        EXPECT_TRUE(contents(root_ / "anonymous" / "incoming" / name) == bytes_);
    }

    [[nodiscard]] static std::string contents(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    std::optional<Laboratory> lab_;
    std::vector<Process> servers_;
    std::filesystem::path root_;
    std::string bytes_;
    unsigned uploads_ = 0;
};

TEST_P(Ftp, CarriesFilesPassivelyAndActively) {
    for (const std::uint16_t port : kPorts) {
        transfer(Family::Ipv4, port, {"--disable-epsv"});             // PASV
        transfer(Family::Ipv4, port, {});                             // EPSV
        transfer(Family::Ipv4, port, {"-P", "-", "--disable-eprt"});  // PORT
        transfer(Family::Ipv4, port, {"-P", "-"});                    // EPRT
        transfer(Family::Ipv6, port, {});                             // EPSV
        transfer(Family::Ipv6, port, {"-P", "-"});                    // EPRT
    }
}

// lftp keeps one control connection for both files: what a passive reply was made longer by holds
// from then on.
TEST_P(Ftp, KeepsOneControlConnectionForManyFiles) {
    const std::string script =
        "set net:max-retries 1; set net:timeout 20; set ftp:prefer-epsv no; "
        "open " +
        url(Family::Ipv4, 21, "") + "; get file -o " + (root_ / "first").string() +
        "; ls; get file -o " + (root_ / "second").string();
    EXPECT_OK(lab_->node("client").run_checked({"lftp", "-c", script}));
    EXPECT_TRUE(contents(root_ / "first") == bytes_);
    EXPECT_TRUE(contents(root_ / "second") == bytes_);
    const std::string listed = lab_->xvsadm("-L -n -c").value();
    // Port 21 and none that begins so.
    const std::string vip = endpoint(lab_->plan().vip.v4, 21).to_string() + " ";
    EXPECT_NE(listed.find(vip), std::string::npos);
    EXPECT_EQ(listed.find(vip), listed.rfind(vip)) << listed;
}

// Its data connections are of ports of the director's own that no service and no real server names.
TEST_P(Ftp, CarriesFilesOfAServerOnTheDirector) {
    start_server("director");
    for (const Family family : {Family::Ipv4, Family::Ipv6}) {
        const auto vip = endpoint(lab_->plan().vip.of(family), 2121).to_string();
        for (const DualAddress& real : lab_->plan().real_servers)
            ASSERT_OK(
                lab_->xvsadm("-d -t " + vip + " -r " + endpoint(real.of(family), 21).to_string()));
        ASSERT_OK(lab_->xvsadm("-a -t " + vip + " -r " +
                               endpoint(lab_->plan().director.of(family), 21).to_string() + " -m"));
        transfer(family, 2121, {});           // EPSV
        transfer(family, 2121, {"-P", "-"});  // EPRT, PORT
    }
    transfer(Family::Ipv4, 2121, {"--disable-epsv"});  // PASV
}

INSTANTIATE_TEST_SUITE_P(Every,
                         Ftp,
                         testing::Values(FastPath::On, FastPath::Off),
                         [](const auto& each) { return name_of_way(each.param); });

}  // namespace
}  // namespace xvs::lab
