import Foundation

extension Tuner {
  /// Makes sure that the model of a recorded trial is there: one that has been deleted is trained anew, as it was. False if a
  /// signal asked for a stop. Collective.
  func restoreModel(of trial: Trial) throws -> Bool {
    let path = directory.trial(trial).model
    let isThere = try communicator.onRoot { FileManager.default.fileExists(atPath: path) }
    if try communicator.broadcast(isThere == true ? 1 : 0) == 1 { return true }
    say("note: \(path) is missing, and is trained anew")
    guard try train(trial) != nil else { return false }
    try communicator.onRoot { try directory.trial(trial).checkpoints.removeAll() }
    return true
  }
}
