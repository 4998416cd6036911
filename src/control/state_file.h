// StateFile: services that survive a restart of xvsd, in one text file of its state directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/service_manager.h"
#include "control/sync_daemons.h"

namespace xvs::control {

class StateFile {
public:
    struct Restored {
        std::size_t services = 0;
        std::size_t destinations = 0;
        // What did not come back, a sentence each; the file was then copied aside first.
        std::vector<std::string> problems;
    };

    explicit StateFile(std::filesystem::path directory) : directory_(std::move(directory)) {}

    [[nodiscard]] std::filesystem::path path() const { return directory_ / "services"; }

    // Writes beside the file, then puts it in place: a crash leaves the old one or the new one.
    // Makes the directory if it is not there. Thread: any, one at a time.
    [[nodiscard]] Status write(const std::string& text) const;

    // The same without waiting for the disk: whoever reads the file finds it, but a machine that
    // loses its power may not.
    [[nodiscard]] Status write_soon(const std::string& text) const;

    // Returns how large the file is; 0 if there is none.
    [[nodiscard]] std::size_t size() const;

    // Adds what the file holds to `services`; no file is no services. A file that cannot be
    // understood is moved aside, nothing of it is taken, and the Error says where it is.
    [[nodiscard]] Result<Restored> restore(ServiceManager& services, SyncDaemons& daemons) const;

private:
    [[nodiscard]] Status replace(const std::string& text, bool is_synced) const;
    // Returns nullopt if there is no file.
    [[nodiscard]] Result<std::optional<std::string>> read() const;
    // Returns the name under which the present file is kept.
    [[nodiscard]] Result<std::filesystem::path> keep_aside(bool move) const;

    std::filesystem::path directory_;
};

}  // namespace xvs::control
