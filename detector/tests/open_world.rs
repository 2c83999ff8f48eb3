//! Functions cut out of their files: names that nothing binds, receivers of unknown class, callees that nobody shows.

use real_detector::{Options, analyze};
use real_detector_api::OriginKind;

fn kinds(code: &str, options: &Options) -> Vec<Vec<OriginKind>> {
    let findings = analyze(code, options).unwrap_or_else(|error| panic!("{}\n{code}", error.message));
    findings.into_iter().map(|finding| finding.origins).collect()
}

fn check(expected: bool, programs: &[&str]) {
    let wrong: Vec<String> = programs
        .iter()
        .filter(|code| kinds(code, &Options::default()).is_empty() == expected)
        .map(|code| format!("---\n{code}\n"))
        .collect();
    assert!(wrong.is_empty(), "expected {expected}:\n{}", wrong.concat());
}

#[test]
fn sql_that_is_handed_to_something_unknown_is_a_sink() {
    check(
        true,
        &[
            "def find(self, name):\n    return self.db.query(\"SELECT * FROM users WHERE name = '%s'\" % name)\n",
            "def find(name):\n    return db_execute(f\"SELECT id FROM users WHERE name = '{name}'\")\n",
            "def add(conn, name):\n    return sql.insertDB(conn, \"INSERT INTO users VALUES ('\" + name + \"')\")\n",
            "def drop(self, name):\n    q = 'DELETE FROM users WHERE id = {}'.format(name)\n    self._run(q)\n",
            "def change(store, name):\n    store.run_statement(sql=f'UPDATE users SET name = \"{name}\"')\n",
            "def find(spark, name):\n    return spark.sql(f\"select * from users where name = '{name}'\")\n",
            "import duckdb\n\ndef find(name):\n    return duckdb.sql(f\"SELECT * FROM users WHERE name = '{name}'\")\n",
            "async def find(pool, name):\n    return await pool.fetch(f\"SELECT * FROM users WHERE name = '{name}'\")\n",
            "def find(conn, name):\n    return conn.exec_driver_sql(f\"SELECT * FROM users WHERE name = '{name}'\")\n",
            "def find(request):\n    name = request.args.get('name')\n    cursor.execute(\"SELECT * FROM users WHERE name = '%s'\" % name)\n",
            "def find(self):\n    name = self.request.GET['name']\n    self.cursor.execute(\"SELECT * FROM users WHERE name = '\" + name + \"'\")\n",
            "def find():\n    name = request.form['name']\n    cur = mysql.connection.cursor()\n    cur.execute(f\"SELECT * FROM users WHERE name = '{name}'\")\n",
            "class Users:\n    def find(self):\n        self.cur.execute(\"SELECT * FROM users WHERE name = '%s'\" % self.name)\n",
            "def find(conn):\n    conn.execute(\"SELECT * FROM users WHERE name = '%s'\" % current_name())\n",
        ],
    );
}

#[test]
fn what_is_no_sql_or_binds_its_values_is_none() {
    check(
        false,
        &[
            "def go(executor, task):\n    return executor.execute(task)\n",
            "def go(agent, prompt):\n    return agent.execute(f'Summarise {prompt}')\n",
            "def go(client, query, name):\n    return client.execute(query, variable_values={'n': name})\n",
            "def go(log, name):\n    log.info(f\"SELECT * FROM users WHERE name = '{name}'\")\n",
            "def go(name):\n    raise LookupError(f\"nothing came of SELECT * FROM users WHERE name = '{name}'\")\n",
            "def go(menu, name):\n    menu.show(f'Select a user from {name}')\n",
            "def find(db, name):\n    return db.query('SELECT * FROM users WHERE name = %s', (name,))\n",
            "def find(db, name):\n    return db_execute('SELECT * FROM users WHERE name = ?', [name])\n",
            "from sqlalchemy import select\nfrom models import User\n\ndef find(session, name):\n    return session.execute(select(User).where(User.name == name).order_by(User.id).limit(3)).all()\n",
            "def find(session, name):\n    return session.execute(select(User).filter_by(name=name)).scalar()\n",
            "from sqlalchemy import text\n\ndef find(session, name):\n    return session.execute(text('SELECT * FROM users WHERE name = :n').bindparams(n=name))\n",
            "from models import users\n\ndef add(conn, name):\n    conn.execute(users.insert().values(name=name))\n",
            "from psycopg2 import sql\n\ndef find(cur, table, key):\n    cur.execute(sql.SQL('SELECT * FROM {} WHERE id = %s').format(sql.Identifier(table)), (key,))\n",
            "def find(cur, names):\n    cur.execute('INSERT INTO users VALUES ' + ','.join(cur.mogrify('(%s)', name).decode() for name in names))\n",
            // What is executed is the caller's to write; its values are bound.
            "class Database:\n    def find(self, name):\n        return self.run('SELECT * FROM users WHERE name = ?', (name,))\n\n    def run(self, sql, args=()):\n        return self.connection.execute(sql, args).fetchall()\n",
            "def run(connection, sql, args=()):\n    return connection.execute(sql, args).fetchall()\n",
            // Names of tables that the program does not show: nothing that could be bound.
            "class Users:\n    def find(self, name):\n        self.cur.execute(f'SELECT * FROM {self.table} WHERE name = %s', (name,))\n",
            "class Users:\n    def find(self, name):\n        self.cur.execute(f'SELECT {self.columns()} FROM users WHERE {self.where()} AND name = %s', (name,))\n",
        ],
    );
}

#[test]
fn an_executor_that_is_given_built_text_in_the_unit_is_a_sink() {
    check(
        true,
        &[
            "class Database:\n    def find(self, name):\n        return self.run(\"SELECT * FROM users WHERE name = '\" + name + \"'\")\n\n    def run(self, sql, args=()):\n        return self.connection.execute(sql, args).fetchall()\n",
            "def run(connection, name):\n    sql = 'SELECT * FROM users WHERE name = %r' % name\n    return connection.execute(sql).fetchall()\n",
        ],
    );
    check(false, &["def run(connection, sql):\n    return connection.execute(sql).fetchall()\n"]);
}

#[test]
fn shell_lines_that_are_handed_to_something_unknown_are_a_sink() {
    check(
        true,
        &[
            "def clone(self, url):\n    self.run('git clone ' + url)\n",
            "def ping(host):\n    return run_command(f'ping -c 1 {host}')\n",
            "def show(ssh, path):\n    ssh.exec_command('ls -l %s' % path)\n",
            "def go(self, line):\n    self._popen(line, shell=True)\n",
            "def go(line):\n    return check_output(line, shell=True)\n",
            "def go(line):\n    subprocess.Popen('tar xf ' + line, shell=True)\n",
            "def go(line):\n    os.system('rm ' + line)\n",
        ],
    );
    check(
        false,
        &[
            "def clone(self, url):\n    self.run(['git', 'clone', url])\n",
            "def clone(self, url):\n    self.run('git clone ' + shlex.quote(url))\n",
            "def tell(self, name):\n    self.notify(f'find {name}')\n",
            "def tell(self, name):\n    self.call(f'Hello {name}')\n",
        ],
    );
}

#[test]
fn findings_say_who_chooses_and_a_user_says_who_counts() {
    let attacker = "from flask import request\n\ndef go():\n    eval(request.args['x'])\n";
    let caller = "def go(text):\n    eval(text)\n";
    let unknown = "class Tool:\n    def go(self):\n        eval(self.text)\n";
    for (code, kind) in [(attacker, OriginKind::Attacker), (caller, OriginKind::Caller), (unknown, OriginKind::Unknown)]
    {
        assert_eq!(kinds(code, &Options::default()), [vec![kind]], "{code}");
        for asked in [OriginKind::Attacker, OriginKind::Caller, OriginKind::Unknown] {
            let options = Options { origins: Some(vec![asked]), ..Options::default() };
            assert_eq!(!kinds(code, &options).is_empty(), asked == kind, "{asked:?}: {code}");
        }
    }
}

#[test]
fn frameworks_that_only_pass_numbers_pass_numbers() {
    let sql = "    return db.execute(f'SELECT * FROM users WHERE id = {uid}')\n";
    for head in [
        "@app.route('/u/<int:uid>')\ndef u(uid):\n",
        "@app.get('/u/{uid}')\nasync def u(uid: int):\n",
        "@router.post('/u')\ndef u(uid: int = 3):\n",
    ] {
        check(false, &[&format!("{head}{sql}")]);
    }
    for head in [
        "@app.route('/u/<uid>')\ndef u(uid: int):\n",
        "@app.route('/u/<int:other>/<uid>')\ndef u(other, uid):\n",
        "@app.get('/u/{uid}')\ndef u(uid: str):\n",
        "def u(uid: int):\n",
    ] {
        check(true, &[&format!("{head}{sql}")]);
    }
}
