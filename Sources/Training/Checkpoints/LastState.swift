import Foundation

/// What a run could be saved as while a step is under way: as it was before the step, for parameters and memory change only
/// at its end.
///
/// The main thread announces changes; another thread may look in between.
final class LastState: @unchecked Sendable {
  struct State {
    let step: Int
    /// Copies what is to be saved.
    let contents: () -> TensorFile
  }

  /// Guards `state`, and what its contents are made from.
  private let lock = NSLock()
  private var state: State?
  /// Only the main thread's.
  private var isChanging = false

  /// From here to `endChange` nobody looks.
  func beginChange() {
    guard !isChanging else { return }
    isChanging = true
    lock.lock()
  }

  /// The run is now in this state; nil: in none that needs to be saved.
  func endChange(_ state: State?) {
    beginChange()
    self.state = state
    isChanging = false
    lock.unlock()
  }

  /// Copies the state, if there is one, on any thread.
  func copy() -> (step: Int, file: TensorFile)? {
    lock.withLock { state.map { ($0.step, $0.contents()) } }
  }
}
