"""What is taken out of text that is handed on, and what stays."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.redaction import Redactor
from torc_watch.core.secret_names import kind_of_name
from torc_watch.core.secret_patterns import MARK

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

SECRETS = {  # a text with § for the secret, and the secret
    "export FOO_TOKEN=§": "abc123",
    "export DATABASE=§": "prod-main",
    'declare -x GREETING="§"': "hello there",
    "setenv SITE §": "north",
    "env REGION=§ ./run": "eu-9",
    "srun --export=ALL,SITE=§ ./run": "north-2",
    "docker run -e SITE=§ image": "north-2",
    "export A=1 B=§": "two-2",
    "password: §": "hunter2",
    "a_password: §": "YWJjZA==",
    "b_password=§": "YWJjZA==",
    "password = '§'": "correct horse, battery",
    "user=bob,password=§,host=x": "hunter2",
    '{"password": "§", "n": 1}': 'a \\" b',
    '{\\"db_password\\": \\"§\\"}': "hunter2",
    "{'api_key': '§'}": "zz9",
    "os.environ['API_KEY'] = '§'": "zz9",
    "clientSecret => '§'": "zz9",
    "run --password § --fast": "hunter2",
    "run --db-password=§ --fast": "hunter2",
    "['run', '--password', '§']": "hunter2",
    "--token §": "t0ken",
    "Wrong password: §": "hunter2",
    "AWS_SECRET_ACCESS_KEY=§": "/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "key id § used": "AKIAIOSFODNN7EXAMPLE",
    "remote: §": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "using § now": "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "openai: §": "sk-proj-abc123def456ghi789jkl012mno345",
    "anthropic §": "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    "hf login §": "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "slack §": "xoxb-123456789012-abcdefghijkl",
    "Authorization: Bearer §": "abcdefghij.k",
    "'Authorization': 'Basic §'": "dXNlcjpwYXNz",
    "curl -H 'authorization: token §' x": "abcdefgh1",
    "X-Api-Key: §": "zz9zz9zz9",
    "Cookie: §": "session=abc; id=7",
    "jwt §.": JWT,
    "postgres://app:§@db.example:5432/x": "p@ss:w0rd",
    "git clone https://§@github.com/x/y": "abcdefghij0123456789abcd",
    "https://x.org/api?user=1&token=§&page=2": "abc-9",
    "curl -s -u me:§ https://x.org": "pw9",
    "sshpass -p § ssh cn042": "pw9",
    "mysql -h db -u root -p§ db": "S3cr3t",
    "machine x.org login me password §": "pw9",
    "CREATE USER x IDENTIFIED BY '§'": "pw9",
    "-----BEGIN RSA PRIVATE KEY-----\n§\n-----END RSA PRIVATE KEY-----": "MIIEow\nabcd==",
    "-----BEGIN PRIVATE KEY-----\n§": "MIIEowIBAAKCAQEAuMIIEowIBAAKCAQEAu\nMIIEowIBAAKCAQEAuMIIEow",
    "§\n-----END PRIVATE KEY-----\ndone": "MIIEowIBAAKCAQEAu\nMIIEowIBAA==",
}
NO_SECRETS = (
    "token=512",
    "max_tokens: 4096, pad_token='<pad>'",
    "unexpected token: end of file",
    "ms per token: 12.3",
    "sort_key=name, key=value, KeyError: 'token'",
    "--password-file /etc/secret --token-count 7",
    "PASSWORD_FILE=/home/me/.pw",
    "PWD=/home/me OLDPWD=/tmp",
    "first_pass=3 pass: 12 fail: 0",
    "password: $DB_PASSWORD, ${TOKEN}, {password}",
    "API_KEY= TOKEN='' password=None secret=***",
    "bearer authentication failed",
    "http://cn042:8080/path@2x and user@host:/scratch/x",
    "export OMP_NUM_THREADS=4 SLURM_MEM=12g DATA=/scratch/x PATH=$PATH:/opt",
    "task-aaaaaaaaaaaaaaaaaaaaaaaa1 sk-learn-contributed-models-x",
    "oom-kill: job 12345 on cn042, 12884901888 bytes of 12g",
    "tokenizer=bert passwordless secretary Author: Jane",
    "torc_output/job_stdio/job_wf42_j7_r1_a1.e",
    "-----BEGIN PUBLIC KEY-----\nMIIEow\n-----END PUBLIC KEY-----",
)


@pytest.mark.parametrize(("shape", "secret"), SECRETS.items())
def test_secret_is_taken_out(shape: str, secret: str) -> None:
    before, after = shape.split("§")
    result = Redactor().text(f"{before}{secret}{after}")
    assert secret not in result
    assert result.startswith(before)
    assert result.endswith(after)
    assert MARK.fullmatch(result[len(before) : len(result) - len(after)])


@pytest.mark.parametrize("text", NO_SECRETS)
def test_look_alike_stays(text: str) -> None:
    redactor = Redactor()
    assert redactor.text(text) == text
    assert not redactor.counts


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DB_PASSWORD", "password"),
        ("dbPassword2", "password"),
        ("GITHUB_TOKEN", "token"),
        ("apiKey", "key"),
        ("WANDB_API_KEY", "key"),
        ("MY_KEY", "key"),
        ("client_secret", "secret"),
        ("POSTGRES_PASS", "password"),
        ("DB_PWD", "password"),
        ("PRIMARY_KEY", None),
        ("key", None),
        ("PWD", None),
        ("tokens", None),
        ("eos_token", None),
        ("secret_name", None),
        ("", None),
    ],
)
def test_names_of_secrets(name: str, kind: str | None) -> None:
    assert kind_of_name(name) == kind


def test_what_is_redacted_is_counted() -> None:
    redactor = Redactor()
    redactor.text("password=a1 password=b2 AKIAIOSFODNN7EXAMPLE")
    assert redactor.counts == {"password": 2, "key": 1}


def test_secret_that_is_known_or_learned_is_one_everywhere() -> None:
    redactor = Redactor(["pass/word&1"])
    assert redactor.text("it is pass/word&1 or pass%2Fword%261") == (
        "it is [redacted: password] or [redacted: password]"
    )
    assert redactor.again("<p>pass/word&amp;1</p>") == "<p>[redacted: password]</p>"
    early = redactor.text("wrote hunter2-Zq9")
    redactor.text("DB_PASSWORD=hunter2-Zq9")
    assert redactor.again(early) == "wrote [redacted: password]"
    redactor.text("DB_PASSWORD=morning MY_TOKEN=/home/me/token")
    assert redactor.again("good morning of /home/me/token") == "good morning of /home/me/token"


def test_as_many_secrets_as_can_be_learned() -> None:
    redactor = Redactor(f"ä{number}{'é%' * 98}" for number in range(600))
    assert redactor.text(f"see ä499{'é%' * 98}, done") == "see [redacted: password], done"
    assert redactor.text("no secret") == "no secret"


def test_secret_that_an_excerpt_cuts_in_two() -> None:
    text = "see AKIAIOSFODNN7EXAMPLE here"
    assert Redactor().text(text, 0, 10) == "see [redacted: key]"
    assert Redactor().text(text, 10) == "[redacted: key] here"
    assert Redactor().text(text, 24) == " here"


def test_values_by_their_keys() -> None:
    values = {
        "env": {"A": "b1", "N": 5},
        "apiKey": "zz9",
        "n": [1, None, "password=zz9"],
        "key": "x",
    }
    mark = "[redacted: environment value]"
    assert Redactor().values(values) == {
        "env": {"A": mark, "N": mark},
        "apiKey": "[redacted: key]",
        "n": [1, None, "password=[redacted: password]"],
        "key": "x",
    }


PIECES = st.sampled_from(
    [
        *(
            "password=",
            "token: ",
            "export ",
            "A=",
            '"',
            "'",
            "\\",
            "\n",
            " ",
            "://",
            ":",
            "@",
            "a",
            "9",
        ),
        *(
            "[redacted: token]",
            "[redacted",
            "]",
            "-----BEGIN PRIVATE KEY-----",
            "eyJhbGciOiJI.",
            JWT,
        ),
        *(
            "-----END PRIVATE KEY-----",
            "Bearer ",
            "--secret ",
            "AKIAIOSFODNN7EXAMPLE",
            ",",
            ";",
            "é",
        ),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_redaction_is_idempotent_and_bounded(text: str) -> None:
    once = Redactor().text(text)
    assert Redactor().text(once) == once
    assert len(once) <= 40 * len(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_shape_survives_no_neighbor(before: str, after: str) -> None:
    key = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    assert key not in Redactor().text(f"{before} {key} {after}")


@pytest.mark.parametrize(
    "piece",
    [
        *("token=", "--password ", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----\n"),
        *("export A=b ", "mysql a b ", "http://a:", "eyJaaaaaaaaa.", "password='", "[redacted: x]"),
    ],
)
def test_long_text_takes_linear_time(piece: str) -> None:
    short, long = (_least_time(piece * (length // len(piece))) for length in (20_000, 80_000))
    assert long < 12 * short + 0.05


def _least_time(text: str) -> float:
    """Of three: other work of the machine makes any of them longer."""
    times = []
    for _ in range(3):
        began = time.process_time()
        Redactor().text(text)
        times.append(time.process_time() - began)
    return min(times)
