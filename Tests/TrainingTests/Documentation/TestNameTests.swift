import Foundation
import TestSupport
import Testing

/// Scripts choose suites by their names, so that the names must keep their promise.
@Suite struct TestNameTests {
  private struct Source {
    let path, text: String
    var name: String { URL(filePath: path).deletingPathExtension().lastPathComponent }
  }

  /// The files that have suites.
  private static func sources() throws -> [Source] {
    let folder = Repository.root.appending(path: "Tests")
    return try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix("Tests.swift") }.sorted()
      .map { Source(path: $0, text: try String(contentsOf: folder.appending(path: $0), encoding: .utf8)) }
      .filter { $0.text.contains(/^ *@Test\b/.anchorsMatchLineEndings()) }
  }

  @Test func `Suites whose tests need the ranks, and only these, are collective by name`() throws {
    let sources = try Self.sources()
    #expect(sources.count > 100)
    for source in sources {
      let needsRanks =
        source.text.contains(/\bWorld\./)
        || source.path.hasPrefix("GaussNewtonTests/") && source.text.contains(/\bTrial\b/)
      #expect(
        source.name.hasSuffix("CollectiveTests") == needsRanks || source.name == "TestNameTests", "\(source.path)")
      let suites = source.text.matches(of: /\b(?:struct|class|enum) (\w+Tests)\b/).map { String($0.1) }
      #expect(!suites.isEmpty, "\(source.path) has no suite whose name ends in Tests")
      for suite in suites {
        #expect(
          suite.hasSuffix("CollectiveTests") == source.name.hasSuffix("CollectiveTests"), "\(source.path): \(suite)")
      }
    }
  }

  @Test func `The name of a test is a sentence`() throws {
    for source in try Self.sources() {
      var isTest = false
      for line in source.text.split(separator: "\n", omittingEmptySubsequences: false) {
        if line.contains(/^ *@Test\b/) { isTest = true }
        guard isTest, let name = line.firstMatch(of: /\bfunc (.)/)?.1 else { continue }
        isTest = false
        #expect(name == "`", "\(source.path): \(line)")
      }
    }
  }
}
