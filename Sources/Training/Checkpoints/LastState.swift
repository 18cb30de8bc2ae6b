import Foundation

/// The state that a run can be saved in while a step is under way: the state before the step, since parameters and
/// memory change only at its end.
///
/// The main thread announces changes; another thread may copy the state in between.
final class LastState: @unchecked Sendable {
  struct State {
    let step: Int
    /// Copies the state.
    let contents: () -> TensorFile
  }

  /// Guards `state` and the vectors that its contents are copied from.
  private let lock = NSLock()
  private var state: State?
  /// Used by the main thread only.
  private var isChanging = false

  /// Locks the state until `endChange`.
  func beginChange() {
    guard !isChanging else { return }
    isChanging = true
    lock.lock()
  }

  /// Sets the state of the run and unlocks it; nil: there is nothing to save.
  func endChange(_ state: State?) {
    beginChange()
    self.state = state
    isChanging = false
    lock.unlock()
  }

  /// Copies the state, if there is one. May be called on any thread.
  func copy() -> (step: Int, file: TensorFile)? {
    lock.withLock { state.map { ($0.step, $0.contents()) } }
  }
}
