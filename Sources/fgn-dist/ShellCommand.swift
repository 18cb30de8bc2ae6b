import Foundation

/// A program that is run to see what it says.
struct ShellCommand {
  /// The exit code; nil where the program did not end in time.
  let code: Int32?
  /// What it wrote to standard output and, where that is asked for, to standard error.
  let output: String

  var hasSucceeded: Bool { code == 0 }
  var firstLine: String {
    output.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.first { !$0.isEmpty }
      ?? ""
  }

  /// Runs a program of PATH, with variables beside those of this process; nil where there is no such program.
  init?(
    _ arguments: [String], environment: [String: String] = [:], seconds: Double = 30, includingErrors: Bool = true
  ) {
    guard let path = Self.path(of: arguments[0]) else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = Array(arguments.dropFirst())
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    if includingErrors { process.standardError = pipe }
    guard (try? process.run()) != nil else { return nil }
    let timer = DispatchSource.makeTimerSource()
    let running = process
    timer.schedule(deadline: .now() + seconds)
    timer.setEventHandler { running.terminate() }
    timer.resume()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    timer.cancel()
    code = process.terminationReason == .exit ? process.terminationStatus : nil
    output = String(decoding: data, as: UTF8.self)
  }

  /// The first program of that name in PATH.
  static func path(of name: String) -> String? {
    if name.contains("/") { return FileManager.default.isExecutableFile(atPath: name) ? name : nil }
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
