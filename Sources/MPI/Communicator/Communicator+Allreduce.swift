internal import CMPI
import Glibc

extension Communicator {
  /// buffer ← the elements of all ranks combined, the same bits on every rank. Collective.
  public func allreduce<Element: MPIDatatype>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ operation: Reduction = .sum
  ) throws(MPIError) {
    try allreduce(UnsafeMutableRawPointer(buffer.baseAddress), buffer.count, Element.datatype, operation)
  }

  /// The combination of `value` over all ranks. Collective.
  public func allreduce<Element: MPIDatatype>(
    _ value: Element, _ operation: Reduction = .sum
  ) throws(MPIError) -> Element {
    var result = value
    // The closure of `withUnsafeMutablePointer` needs its error type spelled out to keep it.
    try withUnsafeMutablePointer(to: &result) { pointer throws(MPIError) in
      try allreduce(UnsafeMutableRawPointer(pointer), 1, Element.datatype, operation)
    }
    return result
  }

  /// The combination of `values` over all ranks, element by element. Collective.
  public func allreduce<Element: MPIDatatype>(
    _ values: [Element], _ operation: Reduction = .sum
  ) throws(MPIError) -> [Element] {
    var result = values
    try result.withUnsafeMutableBufferPointer { buffer throws(MPIError) in try allreduce(buffer, operation) }
    return result
  }

  /// Runs `body`, which passes parts of its results to be summed over all ranks while it goes on. Returns when all sums
  /// are complete, also if `body` throws. Collective: all ranks pass parts of equal sizes in the same order.
  ///
  /// A part belongs to MPI once it is passed: `body` must not touch it again.
  package func withSums<Element: MPIDatatype & BinaryFloatingPoint, Result>(
    of _: Element.Type = Element.self,
    during body: (_ sum: (UnsafeMutableBufferPointer<Element>) throws(MPIError) -> Void) throws -> Result
  ) throws -> Result {
    var requests = Request()
    let result: Result
    do {
      result = try body { part throws(MPIError) in
        try requests.progress()
        requests.add(try startSum(part))
      }
    } catch {
      // The body's error comes first, and explains the other.
      try? finish(requests)
      throw error
    }
    try finish(requests)
    return result
  }

  private func allreduce(
    _ base: UnsafeMutableRawPointer?, _ count: Int, _ type: Datatype, _ operation: Reduction
  ) throws(MPIError) {
    tally {
      $0.allreduces += 1
      $0.allreducedBytes += count * type.stride
    }
    guard let handle, let base else { return }
    let isBiased = type.isBiased(for: operation)
    if isBiased { type.exchangeHalves(base, count: count) }
    defer { if isBiased { type.exchangeHalves(base, count: count) } }

    try waiting(.allreduce, count * type.stride) { () throws(MPIError) in
      try forEachChunk(of: count) { offset, chunk throws(MPIError) in
        try check(
          fgn_allreduce(base + offset * type.stride, chunk, type.handle(for: operation), operation.handle, handle),
          "MPI_Allreduce")
      }
    }
  }

  /// Starts a sum in place. The buffer must stay in place, untouched, until the request has been waited for.
  func startSum<Element: MPIDatatype & BinaryFloatingPoint>(
    _ buffer: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) -> Request {
    let type = Element.datatype
    tally {
      $0.allreduces += 1
      $0.allreducedBytes += buffer.count * type.stride
    }
    var request = Request()
    guard let handle, let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return request }
    let start = monotonicSeconds()
    defer {
      let seconds = monotonicSeconds() - start
      tally { $0.seconds += seconds }
      note(.startedSum, buffer.count * type.stride, since: start)
    }
    do {
      try forEachChunk(of: buffer.count) { offset, chunk throws(MPIError) in
        var part = fgn_request()
        try check(
          fgn_iallreduce(
            base + offset * type.stride, chunk, type.handle(for: .sum), Reduction.sum.handle, handle, &part),
          "MPI_Iallreduce")
        request.add(part)
      }
    } catch {
      // Chunks that have started still write to the buffer.
      try? request.wait()
      throw error
    }
    return request
  }

  private func finish(_ request: consuming Request) throws(MPIError) {
    if handle == nil { return try request.wait() }
    let start = monotonicSeconds()
    clock.begin(at: start)
    defer {
      clock.end()
      let seconds = monotonicSeconds() - start
      tally { $0.seconds += seconds }
      note(.wait, 0, since: start)
    }
    try request.wait()
  }
}

/// Seconds of a monotonic clock.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}
