// FtpAssistant: FTP's data connections, for NAT. Kernel: ip_vs_ftp.c.
//
//   client              director                 real server
//   PASV            ->  from now on a 227 is     ->
//                   <-  227 with VIP and port   <-  227 with its own address and port
//   SYN to VIP:port ->  expected passively       ->  SYN to its port
//
//   PORT or EPRT    ->  expected actively        ->
//                   <-  SYN from VIP:20         <-  SYN from port 20
//
// EPSV and its 229, which names a port only, are the same without the address.
#pragma once

#include <array>
#include <cstddef>

#include "engine/assist/assistant.h"

namespace xvs::engine {

class FtpAssistant final : public Assistant {
public:
    // Kernel: IP_VS_APP_MAX_PORTS.
    static constexpr std::size_t kMaxPorts = 8;
    static constexpr net::Port kDefaultPort{21};

    // Ports of VIPs where FTP is spoken, at most kMaxPorts of them; none turns the assistant off.
    // It holds for new connections. REQUIRES: no worker is at work.
    void set_ports(std::span<const net::Port> ports) noexcept;

    [[nodiscard]] std::span<const net::Port> ports() const noexcept {
        return {ports_.data(), port_count_};
    }

    [[nodiscard]] std::uint8_t role() const noexcept override { return XVS_ROLE_FTP; }

    [[nodiscard]] bool is_for(model::Protocol protocol,
                              net::Port virtual_port) const noexcept override;

    bool read_client(xvs_assistance& record,
                     const ControlEnds& ends,
                     std::span<const std::byte> bytes,
                     Expectations& expectations) noexcept override;

    bool read_server(xvs_assistance& record,
                     const ControlEnds& ends,
                     std::span<const std::byte> bytes,
                     Expectations& expectations) noexcept override;

private:
    std::array<net::Port, kMaxPorts> ports_{kDefaultPort};
    std::size_t port_count_ = 1;
};

}  // namespace xvs::engine
