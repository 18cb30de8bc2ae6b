internal import CMPI
import Glibc

/// Tells ranks that work on their own, each at its pace, that one of them is asked to stop, and lets them wait for each other
/// without a limit of time.
///
/// The ranks take part in one nonblocking reduction after another. Each is complete when all ranks have looked after it, so that a
/// rank that waits for the others sees whether they are alive: its wait begins anew with every round.
final class StopRounds {
  private let communicator: Communicator
  /// What this rank has put into the round, and what has come of it: whether a rank is asked to stop, and whether one works. MPI
  /// writes to it until the round is complete.
  private let state: UnsafeMutableBufferPointer<Int32>
  /// The round that is not complete; nil where there are no other ranks, and behind the last round.
  private var request: fgn_request?
  private var mustStop = false
  /// Whether a rank still works, as far as is known.
  private var isAnyAtWork = true
  private var lastLook = -Double.infinity

  /// Seconds between looks after a round while this rank works, so that short steps do not pay for them.
  private static let interval = 0.02
  /// Microseconds between those of a rank that waits, which leaves the processor to others.
  private static let pause: UInt32 = 200

  /// Begins the first round. Collective, and the communicator is for nothing else until `finish` returns.
  init(over communicator: Communicator) throws(MPIError) {
    self.communicator = communicator
    state = .allocate(capacity: 2)
    state.initialize(repeating: 0)
    try begin(asks: false, works: true)
  }

  deinit {
    // A rank that leaves with an error ends the job; until then MPI may write.
    if request == nil { state.deallocate() }
  }

  /// Whether any rank has been found to be asked to stop, this one included. Local.
  func shouldStop(asks: Bool) throws(MPIError) -> Bool {
    let now = monotonicSeconds()
    if now - lastLook >= Self.interval {
      lastLook = now
      if try isRoundComplete() { try begin(asks: asks, works: true) }
    }
    return asks || mustStop
  }

  /// Returns when no rank works any more. Collective.
  ///
  /// - Parameter asks: whether this rank is asked to stop; called while it waits.
  func finish(asks: () -> Bool) throws(MPIError) {
    if communicator.handle == nil { return }
    while isAnyAtWork {
      try communicator.waiting { () throws(MPIError) in
        while try !isRoundComplete() { usleep(Self.pause) }
      }
      if isAnyAtWork { try begin(asks: asks(), works: false) }
    }
  }

  private func begin(asks: Bool, works: Bool) throws(MPIError) {
    guard let handle = communicator.handle else { return }
    (state[0], state[1]) = (asks ? 1 : 0, works ? 1 : 0)
    var next = fgn_request()
    try check(
      fgn_iallreduce(state.baseAddress!, 2, fgn_int32, fgn_max, handle, &next), "MPI_Iallreduce")
    request = next
  }

  /// Takes note of the round if it is complete.
  private func isRoundComplete() throws(MPIError) -> Bool {
    guard var current = request else { return false }
    var isDone: Int32 = 0
    try check(fgn_test(&current, &isDone), "MPI_Test")
    request = current
    if isDone == 0 { return false }
    request = nil
    if state[0] > 0 { mustStop = true }
    isAnyAtWork = state[1] > 0
    return true
  }
}
