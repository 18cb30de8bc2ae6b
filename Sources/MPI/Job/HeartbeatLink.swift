import Glibc

/// One end of a connection between rank 0 and another rank.
struct HeartbeatLink {
  let rank: Int
  let hostname: String
  let descriptor: Int32
  var lastHeard: Double
  /// The time at which the other side was found to be closed.
  var closed: Double?
  /// Whether the other side has said farewell.
  var hasLeft = false

  static let beat: UInt8 = 1
  static let farewell: UInt8 = 2

  func send(_ byte: UInt8) {
    var byte = byte
    // A full buffer or a broken connection shows when listening.
    _ = Glibc.send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
  }

  /// Processes the received bytes, without waiting.
  mutating func listen(_ now: Double) {
    var bytes = [UInt8](repeating: 0, count: 64)
    while closed == nil {
      let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      if count > 0 {
        lastHeard = now
        if bytes[..<count].contains(Self.farewell) { hasLeft = true }
      } else if count == 0 || ![EAGAIN, EWOULDBLOCK, EINTR].contains(errno) {
        closed = now
      } else {
        break
      }
    }
    // A closed connection is a loss of its own kind; silence counts on open ones only.
    if closed != nil { lastHeard = now }
    if hasLeft { close(descriptor) }
  }
}

// MARK: Connecting

extension HeartbeatLink {
  /// The first message of a rank to rank 0: a secret of this job, and its rank.
  private struct Greeting: BitwiseCopyable {
    var secret: UInt64
    var rank: UInt64
  }

  /// Seconds for making all connections.
  private static let patience = 5.0

  /// The links of this rank. Collective.
  static func connect(over communicator: Communicator) throws -> (links: [HeartbeatLink], unreachable: [Int]) {
    if communicator.size == 1 { return ([], []) }
    var listener = Int32(-1)
    defer { if listener >= 0 { close(listener) } }
    var addresses = ""
    var secret: UInt64 = 0
    if communicator.rank == 0 {
      secret = .random(in: 0 ... .max)
      listener = listen()
      if listener >= 0 { addresses = Self.addresses(port: port(of: listener)).joined(separator: " ") }
    }
    addresses = try communicator.broadcast(addresses)
    secret = try communicator.broadcast(secret)
    let hostnames = try communicator.allgatherBytes(Array(communicator.hostname.utf8))
      .map { String(decoding: $0, as: UTF8.self) }

    var links: [HeartbeatLink] = []
    let deadline = monotonicSeconds() + patience
    if communicator.rank == 0 {
      while links.count < communicator.size - 1, listener >= 0, monotonicSeconds() < deadline {
        guard let (descriptor, rank) = accept(from: listener, secret, until: deadline) else { continue }
        guard (1..<communicator.size).contains(rank), !links.contains(where: { $0.rank == rank }) else {
          close(descriptor)
          continue
        }
        links.append(
          HeartbeatLink(rank: rank, hostname: hostnames[rank], descriptor: descriptor, lastHeard: monotonicSeconds()))
      }
    } else {
      // A rank on the same machine needs no network.
      let nearby = hostnames[0] == communicator.hostname ? ["127.0.0.1", "::1"] : []
      let port = addresses.split(separator: " ").first?.split(separator: "|").last.map(String.init) ?? ""
      let all = nearby.map { "\($0)|\(port)" } + addresses.split(separator: " ").map(String.init)
      let greeting = Greeting(secret: secret, rank: UInt64(communicator.rank))
      for place in all where links.isEmpty && !port.isEmpty {
        guard let descriptor = reach(place, greeting, until: deadline) else { continue }
        links = [HeartbeatLink(rank: 0, hostname: hostnames[0], descriptor: descriptor, lastHeard: monotonicSeconds())]
      }
    }
    // Rank 0 may have given up on a rank that considers itself connected.
    let connected = Set(try communicator.broadcast(links.map { Int64($0.rank) }))
    if communicator.rank > 0, !connected.contains(Int64(communicator.rank)), let link = links.popLast() {
      close(link.descriptor)
    }
    let now = monotonicSeconds()
    for index in links.indices { links[index].lastHeard = now }
    return (links, (1..<communicator.size).filter { !connected.contains(Int64($0)) })
  }

  /// A socket that listens for the other ranks, for IPv6 and IPv4 where both exist; -1 if there is none.
  private static func listen() -> Int32 {
    for family in [AF_INET6, AF_INET] {
      let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { continue }
      var no: Int32 = 0
      if family == AF_INET6 {
        setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &no, socklen_t(MemoryLayout<Int32>.size))
      }
      // Any address is all zeros in both families, and so is "any port".
      var address = sockaddr_storage()
      address.ss_family = sa_family_t(family)
      let size = family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
      let isBound = withGeneric(&address) { bind(descriptor, $0, socklen_t(size)) } == 0
      if isBound, Glibc.listen(descriptor, 1024) == 0 { return descriptor }
      close(descriptor)
    }
    return -1
  }

  private static func port(of descriptor: Int32) -> String {
    var address = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    guard withGeneric(&address, { getsockname(descriptor, $0, &size) }) == 0 else { return "" }
    return name(of: &address).port
  }

  /// ADDRESS|PORT for each network of this machine.
  private static func addresses(port: String) -> [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var result: [String] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_UP) != 0,
        entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0
      else { continue }
      var copy = sockaddr_storage()
      let size: Int
      switch Int32(address.pointee.sa_family) {
      case AF_INET: size = MemoryLayout<sockaddr_in>.size
      case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
      default: continue
      }
      withUnsafeMutableBytes(of: &copy) { $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: size)) }
      let host = name(of: &copy).host
      // Addresses that are valid on one link only (%eth0) need more than themselves.
      if !host.isEmpty, !host.contains("%") { result.append("\(host)|\(port)") }
    }
    return result
  }

  private static func name(of address: inout sockaddr_storage) -> (host: String, port: String) {
    var (host, port) = ([CChar](repeating: 0, count: 256), [CChar](repeating: 0, count: 32))
    let code = withGeneric(&address) {
      getnameinfo(
        $0, socklen_t(MemoryLayout<sockaddr_storage>.size), &host, socklen_t(host.count), &port, socklen_t(port.count),
        NI_NUMERICHOST | NI_NUMERICSERV)
    }
    func text(_ bytes: [CChar]) -> String {
      String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return code == 0 ? (text(host), text(port)) : ("", "")
  }

  /// The next rank that connects to `listener` and knows the secret; nil for a stranger, or when time is up.
  private static func accept(from listener: Int32, _ secret: UInt64, until deadline: Double) -> (Int32, Int)? {
    guard wait(for: POLLIN, on: listener, until: deadline) else { return nil }
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var greeting = Greeting(secret: 0, rank: 0)
    let size = MemoryLayout<Greeting>.size
    guard wait(for: POLLIN, on: descriptor, until: min(deadline, monotonicSeconds() + 0.5)),
      recv(descriptor, &greeting, size, Int32(MSG_DONTWAIT)) == size, greeting.secret == secret,
      let rank = Int(exactly: greeting.rank)
    else {
      close(descriptor)
      return nil
    }
    var answer = beat
    _ = Glibc.send(descriptor, &answer, 1, Int32(MSG_NOSIGNAL))
    return (descriptor, rank)
  }

  /// A connection to rank 0 at ADDRESS|PORT, once it has answered; nil if it does not answer.
  private static func reach(_ place: String, _ greeting: Greeting, until deadline: Double) -> Int32? {
    let parts = place.split(separator: "|").map(String.init)
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var info: UnsafeMutablePointer<addrinfo>?
    guard parts.count == 2, getaddrinfo(parts[0], parts[1], &hints, &info) == 0, let info else { return nil }
    defer { freeaddrinfo(info) }
    let descriptor = socket(
      info.pointee.ai_family,
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
      0)
    guard descriptor >= 0 else { return nil }
    let begun = Glibc.connect(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0 || errno == EINPROGRESS
    var greeting = greeting
    var answer: UInt8 = 0
    let size = MemoryLayout<Greeting>.size
    // Sending fails if connecting has failed.
    guard begun, wait(for: POLLOUT, on: descriptor, until: min(deadline, monotonicSeconds() + 1)),
      Glibc.send(descriptor, &greeting, size, Int32(MSG_NOSIGNAL)) == size,
      wait(for: POLLIN, on: descriptor, until: min(deadline, monotonicSeconds() + 3)),
      recv(descriptor, &answer, 1, 0) == 1, answer == beat
    else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private static func wait(for event: Int32, on descriptor: Int32, until deadline: Double) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    while true {
      let left = deadline - monotonicSeconds()
      if left <= 0 { return false }
      let code = poll(&entry, 1, Int32((1000 * left).rounded(.up)))
      if code > 0 { return true }
      if code == 0 || errno != EINTR { return false }
    }
  }

  private static func withGeneric<Result>(
    _ address: inout sockaddr_storage, _ body: (UnsafeMutablePointer<sockaddr>) -> Result
  ) -> Result {
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
  }
}
